;; world: transform-plugin
;; Grows its memory until it is refused, then crashes, as an allocator would.
(module
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "hookgate:plugin/transform@1.0.0#handle") (param i32) (result i32)
    (loop $again (br_if $again (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0))))
    (unreachable)))
