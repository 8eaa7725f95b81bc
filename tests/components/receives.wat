;; world: receiver-plugin
;; Does as the first byte of the body says: "a" accepts one event that holds the body,
;; with the request's secret as its key and its arrival as its time; "n" accepts none,
;; "m" a hundred and one, "b" one of 512 KiB; "c" answers a challenge with the query,
;; "i" with a status that does not exist; "j" rejects, "u" refuses its config, and
;; everything else crashes.
(module
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 16384))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (data (i32.const 128) "told to")
  (data (i32.const 160) "text/plain")
  (data (i32.const 192) "told.to")

  (func $text (param $place i32) (param $at i32) (param $length i32)
    (i32.store (local.get $place) (local.get $at))
    (i32.store offset=4 (local.get $place) (local.get $length)))

  ;; A draft takes 80 bytes; the list of them stands at 1024.
  (func $draft (param $place i32) (param $at i32) (param $length i32)
    (call $text (local.get $place) (i32.const 192) (i32.const 7))
    (call $text (i32.add (local.get $place) (i32.const 64)) (i32.const 160) (i32.const 10))
    (call $text (i32.add (local.get $place) (i32.const 72)) (local.get $at) (local.get $length)))

  (func $accepted (param $count i32) (result i32)
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (i32.const 0))
    (call $text (i32.const 24) (i32.const 1024) (local.get $count))
    (i32.const 16))

  (func $challenge (param $status i32) (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (i32.const 1))
    (i32.store16 (i32.const 24) (local.get $status))
    (call $text (i32.const 28) (i32.const 160) (i32.const 10))
    (call $text (i32.const 36) (local.get $at) (local.get $length))
    (i32.const 16))

  (func $many (result i32)
    (local $left i32)
    (local.set $left (i32.const 101))
    (loop $again
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (call $draft (i32.add (i32.const 1024) (i32.mul (local.get $left) (i32.const 80)))
        (i32.const 128) (i32.const 7))
      (br_if $again (local.get $left)))
    (call $accepted (i32.const 101)))

  (func (export "hookgate:plugin/receiver@1.0.0#receive")
    (param $method i32) (param $method_length i32) (param $path i32) (param $path_length i32)
    (param $query i32) (param $query_length i32) (param $headers i32) (param $header_count i32)
    (param $body i32) (param $body_length i32)
    (param $has_secret i32) (param $secret i32) (param $secret_length i32) (param $received i64)
    (result i32)
    (local $told i32)
    (local.set $told (i32.load8_u (local.get $body)))
    (if (i32.eq (local.get $told) (i32.const 0x61)) (then
      (call $draft (i32.const 1024) (local.get $body) (local.get $body_length))
      (i32.store (i32.const 1056) (local.get $has_secret))
      (call $text (i32.const 1060) (local.get $secret) (local.get $secret_length))
      (i32.store (i32.const 1072) (i32.const 1))
      (i64.store (i32.const 1080) (local.get $received))
      (return (call $accepted (i32.const 1)))))
    (if (i32.eq (local.get $told) (i32.const 0x6e)) (then (return (call $accepted (i32.const 0)))))
    (if (i32.eq (local.get $told) (i32.const 0x6d)) (then (return (call $many))))
    (if (i32.eq (local.get $told) (i32.const 0x62)) (then
      (call $draft (i32.const 1024) (i32.const 65536) (i32.const 524288))
      (return (call $accepted (i32.const 1)))))
    (if (i32.eq (local.get $told) (i32.const 0x63)) (then
      (return (call $challenge (i32.const 200) (local.get $query) (local.get $query_length)))))
    (if (i32.eq (local.get $told) (i32.const 0x69)) (then
      (return (call $challenge (i32.const 99) (local.get $query) (local.get $query_length)))))
    (if (i32.eq (local.get $told) (i32.const 0x6a)) (then
      (i32.store (i32.const 16) (i32.const 0))
      (i32.store (i32.const 20) (i32.const 2))
      (call $text (i32.const 24) (i32.const 128) (i32.const 7))
      (return (i32.const 16))))
    (if (i32.eq (local.get $told) (i32.const 0x75)) (then
      (i32.store (i32.const 16) (i32.const 1))
      (i32.store (i32.const 20) (i32.const 0))
      (call $text (i32.const 24) (i32.const 128) (i32.const 7))
      (return (i32.const 16))))
    (unreachable)))
