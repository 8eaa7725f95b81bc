;; world: transform-plugin
;; Fills 58 MiB in one instruction, which nothing interrupts: once, or without end where its data
;; begins with "l".
(module
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "hookgate:plugin/transform@1.0.0#handle") (param $event i32) (result i32)
    (local $told i32)
    (local.set $told (i32.load8_u (i32.load offset=76 (local.get $event))))
    (if (i32.lt_u (memory.size) (i32.const 944)) (then (drop (memory.grow (i32.const 928)))))
    (loop $again
      (memory.fill (i32.const 1048576) (local.get $told) (i32.const 60817408))
      (br_if $again (i32.eq (local.get $told) (i32.const 0x6c))))
    (i64.store (i32.const 16) (i64.const 0))
    (i32.const 16)))
