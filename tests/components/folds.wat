;; world: fold-plugin
;; Does as the first byte of the later event's data says: "m" returns both data, one
;; after the other, under an identity that is forged throughout; "b" returns 512 KiB,
;; "u" refuses the event, "l" loops, and everything else crashes.
(module
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (data (i32.const 256) "forged")
  (data (i32.const 288) "text/plain")

  (func $text (param $place i32) (param $at i32) (param $length i32)
    (i32.store (local.get $place) (local.get $at))
    (i32.store offset=4 (local.get $place) (local.get $length)))

  ;; The result stands at 16, its event at 24.
  (func $event (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 16) (i32.const 0))
    (call $text (i32.const 24) (i32.const 256) (i32.const 6))
    (call $text (i32.const 32) (i32.const 256) (i32.const 6))
    (call $text (i32.const 40) (i32.const 256) (i32.const 6))
    (i32.store (i32.const 48) (i32.const 1))
    (call $text (i32.const 52) (i32.const 256) (i32.const 6))
    (i64.store (i32.const 64) (i64.const 7))
    (call $text (i32.const 72) (i32.const 256) (i32.const 6))
    (i32.store (i32.const 80) (i32.const 1))
    (call $text (i32.const 84) (i32.const 256) (i32.const 6))
    (call $text (i32.const 92) (i32.const 288) (i32.const 10))
    (call $text (i32.const 100) (local.get $at) (local.get $length))
    (call $text (i32.const 108) (i32.const 0) (i32.const 0))
    (i32.const 16))

  (func $both (param $pair i32) (result i32)
    (memory.copy (i32.const 65536)
      (i32.load offset=76 (local.get $pair)) (i32.load offset=80 (local.get $pair)))
    (memory.copy (i32.add (i32.const 65536) (i32.load offset=80 (local.get $pair)))
      (i32.load offset=172 (local.get $pair)) (i32.load offset=176 (local.get $pair)))
    (call $event (i32.const 65536)
      (i32.add (i32.load offset=80 (local.get $pair)) (i32.load offset=176 (local.get $pair)))))

  (func (export "hookgate:plugin/fold@1.0.0#fold") (param $pair i32) (result i32)
    (local $told i32)
    (local.set $told (i32.load8_u (i32.load offset=172 (local.get $pair))))
    (if (i32.eq (local.get $told) (i32.const 0x6d)) (then (return (call $both (local.get $pair)))))
    (if (i32.eq (local.get $told) (i32.const 0x62))
      (then (return (call $event (i32.const 65536) (i32.const 524288)))))
    (if (i32.eq (local.get $told) (i32.const 0x75)) (then
      (i32.store (i32.const 16) (i32.const 1))
      (i32.store (i32.const 24) (i32.const 1))
      (call $text (i32.const 28) (i32.const 256) (i32.const 6))
      (return (i32.const 16))))
    (if (i32.eq (local.get $told) (i32.const 0x6c)) (then (loop $spin (br $spin))))
    (unreachable)))
