;; world: transform-plugin
;; Asks for one page more a hundred thousand times, then touches all the memory that it has.
(module
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "hookgate:plugin/transform@1.0.0#handle") (param $event i32) (result i32)
    (local $left i32)
    (local $at i32)
    (local.set $left (i32.const 100000))
    (loop $again
      (drop (memory.grow (i32.const 1)))
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (local.set $at (i32.const 131072))
    (loop $touch
      (i32.store8 (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $touch (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))
    (i64.store (i32.const 16) (i64.const 0))
    (i32.const 16)))
