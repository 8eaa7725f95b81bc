;; world: transform-plugin
;; Grows its memory and writes a canary into every word of it, behind what it was given; then it
;; lets the event pass, or crashes where its data begins with "t".
(module
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func $hide (param $from i32) (param $to i32)
    (loop $again
      (i64.store (local.get $from) (i64.const 0x5ca1ab1e0ddba11))
      (local.set $from (i32.add (local.get $from) (i32.const 8)))
      (br_if $again (i32.lt_u (local.get $from) (local.get $to)))))
  (func (export "hookgate:plugin/transform@1.0.0#handle") (param $event i32) (result i32)
    (local $told i32)
    (local.set $told (i32.load8_u (i32.load offset=76 (local.get $event))))
    (drop (memory.grow (i32.const 64)))
    (call $hide (i32.const 131072) (i32.mul (memory.size) (i32.const 65536)))
    (if (i32.eq (local.get $told) (i32.const 0x74)) (then (unreachable)))
    (i64.store (i32.const 16) (i64.const 0))
    (i32.const 16)))
