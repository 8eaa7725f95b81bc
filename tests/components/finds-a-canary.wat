;; world: transform-plugin
;; Grows its memory and looks for a canary in every word of it: drops the event where it finds one.
(module
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func $find (param $from i32) (param $to i32) (result i32)
    (loop $again
      (if (i64.eq (i64.load (local.get $from)) (i64.const 0x5ca1ab1e0ddba11)) (then (return (i32.const 1))))
      (local.set $from (i32.add (local.get $from) (i32.const 8)))
      (br_if $again (i32.lt_u (local.get $from) (local.get $to))))
    (i32.const 0))
  (func (export "hookgate:plugin/transform@1.0.0#handle") (param $event i32) (result i32)
    (drop (memory.grow (i32.const 64)))
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20)
      (call $find (i32.const 131072) (i32.mul (memory.size) (i32.const 65536))))
    (i32.store (i32.const 24) (i32.const 0))
    (i32.store (i32.const 28) (i32.const 0))
    (i32.const 16)))
