;; world: transform-plugin
;; Calls the host wrongly, as the first byte of the data says: logs a text outside its memory ("o"),
;; of 2 GiB ("l"), that is no UTF-8 ("u") or of no known level ("n"); or asks for its config while its
;; allocator crashes ("a"), returns a place outside its memory ("b") or spins ("s"); or asks for it
;; without end ("e").
(module
  (import "hookgate:plugin/host@1.0.0" "log" (func $log (param i32 i32 i32)))
  (import "hookgate:plugin/host@1.0.0" "config" (func $config (param i32)))
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (if (i32.eq (global.get $told) (i32.const 0x61)) (then (unreachable)))
    (if (i32.eq (global.get $told) (i32.const 0x62)) (then (return (i32.const 0x7ffffff0))))
    (if (i32.eq (global.get $told) (i32.const 0x73)) (then (loop $spin (br $spin))))
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (data (i32.const 128) "\ff\fe\00text")
  (global $told (mut i32) (i32.const 0))
  (func (export "hookgate:plugin/transform@1.0.0#handle") (param $event i32) (result i32)
    (global.set $told (i32.load8_u (i32.load offset=76 (local.get $event))))
    (if (i32.eq (global.get $told) (i32.const 0x6f)) (then (call $log (i32.const 1) (i32.const 0x7ffffff0) (i32.const 64))))
    (if (i32.eq (global.get $told) (i32.const 0x6c)) (then (call $log (i32.const 1) (i32.const 64) (i32.const 0x80000000))))
    (if (i32.eq (global.get $told) (i32.const 0x75)) (then (call $log (i32.const 1) (i32.const 128) (i32.const 7))))
    (if (i32.eq (global.get $told) (i32.const 0x6e)) (then (call $log (i32.const 9) (i32.const 131) (i32.const 4))))
    (if (i32.eq (global.get $told) (i32.const 0x65)) (then (loop $again (call $config (i32.const 64)) (br $again))))
    (call $config (i32.const 64))
    (i64.store (i32.const 16) (i64.const 0))
    (i32.const 16)))
