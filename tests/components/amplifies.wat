;; world: transform-plugin
;; Returns 4,096 headers whose values are all the same 512 KiB of its memory: 2 GiB
;; for whoever copies them.
(module
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "hookgate:plugin/transform@1.0.0#handle") (param i32) (result i32)
    (local $at i32)
    (local.set $at (i32.const 65536))
    (loop $again
      (i32.store offset=8 (local.get $at) (i32.const 524288))
      (i32.store offset=12 (local.get $at) (i32.const 524288))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $again (i32.lt_u (local.get $at) (i32.const 131072))))
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (i32.const 3))
    (i32.store (i32.const 40) (i32.const 65536))
    (i32.store (i32.const 44) (i32.const 4096))
    (i32.const 16)))
