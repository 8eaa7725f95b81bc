;; world: transform-plugin
;; Does as the first byte of the event's data says: each verdict, each failure, a
;; crash ("t") or an endless loop ("l").
(module
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (data (i32.const 128) "told to")
  (data (i32.const 160) "text/plain")
  (data (i32.const 192) "x-told")
  (data (i32.const 224) "new data")

  (func $text (param $place i32) (param $at i32) (param $length i32)
    (i32.store (local.get $place) (local.get $at))
    (i32.store offset=4 (local.get $place) (local.get $length)))

  ;; The result stands at 16: its case, then the verdict's or failure's, then text.
  (func $answer (param $is_failure i32) (param $case i32) (result i32)
    (i32.store (i32.const 16) (local.get $is_failure))
    (i32.store (i32.const 20) (local.get $case))
    (call $text (i32.const 24) (i32.const 128) (i32.const 7))
    (i32.const 16))

  (func $replace (result i32)
    (drop (call $answer (i32.const 0) (i32.const 2)))
    (call $text (i32.const 24) (i32.const 224) (i32.const 8))
    (i32.const 16))

  (func $deliver (result i32)
    (drop (call $answer (i32.const 0) (i32.const 3)))
    (call $text (i32.const 24) (i32.const 160) (i32.const 10))
    (call $text (i32.const 32) (i32.const 224) (i32.const 8))
    (call $text (i32.const 40) (i32.const 64) (i32.const 1))
    (call $text (i32.const 64) (i32.const 192) (i32.const 6))
    (call $text (i32.const 72) (i32.const 128) (i32.const 7))
    (i32.const 16))

  (func (export "hookgate:plugin/transform@1.0.0#handle") (param $event i32) (result i32)
    (local $told i32)
    (local.set $told (i32.load8_u (i32.load offset=76 (local.get $event))))
    (if (i32.eq (local.get $told) (i32.const 0x70)) (then (return (call $answer (i32.const 0) (i32.const 0)))))
    (if (i32.eq (local.get $told) (i32.const 0x64)) (then (return (call $answer (i32.const 0) (i32.const 1)))))
    (if (i32.eq (local.get $told) (i32.const 0x72)) (then (return (call $replace))))
    (if (i32.eq (local.get $told) (i32.const 0x6d)) (then (return (call $deliver))))
    (if (i32.eq (local.get $told) (i32.const 0x69)) (then (return (call $answer (i32.const 1) (i32.const 0)))))
    (if (i32.eq (local.get $told) (i32.const 0x75)) (then (return (call $answer (i32.const 1) (i32.const 1)))))
    (if (i32.eq (local.get $told) (i32.const 0x61)) (then (return (call $answer (i32.const 1) (i32.const 2)))))
    (if (i32.eq (local.get $told) (i32.const 0x6c)) (then (loop $spin (br $spin))))
    (unreachable)))
