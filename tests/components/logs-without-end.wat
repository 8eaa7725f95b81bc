;; world: transform-plugin
;; Logs a line with an escape sequence and a line break a thousand times, then one of
;; 64 KiB.
(module
  (import "hookgate:plugin/host@1.0.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (data (i32.const 128) "\1b[2Jall is well\0aERROR forged")
  (func (export "hookgate:plugin/transform@1.0.0#handle") (param i32) (result i32)
    (local $left i32)
    (call $log (i32.const 2) (i32.const 65536) (i32.const 65536))
    (local.set $left (i32.const 1000))
    (loop $again
      (call $log (i32.const 3) (i32.const 128) (i32.const 28))
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (i64.store (i32.const 16) (i64.const 0))
    (i32.const 16)))
