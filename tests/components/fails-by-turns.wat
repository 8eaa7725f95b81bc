;; world: transform-plugin
;; Lets every event pass whose id ends in an even digit, and crashes on the others.
(module
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "hookgate:plugin/transform@1.0.0#handle") (param $event i32) (result i32)
    (local $last i32)
    (local.set $last (i32.load8_u (i32.sub (i32.add (i32.load (local.get $event))
      (i32.load offset=4 (local.get $event))) (i32.const 1))))
    (if (i32.and (local.get $last) (i32.const 1)) (then (unreachable)))
    (i64.store (i32.const 16) (i64.const 0))
    (i32.const 16)))
