;; What Go's runtime asks of a system, answered without one.
;;
;; A plugin has no clock, no randomness and no files. Go's runtime can't start without a clock
;; that moves and some bytes for its hash tables, so it gets those: the same in every instance.
;; All else is refused, in the errors of WASI's first preview. What is printed goes to the log,
;; where the last words of a dying runtime tell its author more than the trap that follows.
(module
  (import "hookgate:plugin/host@1.0.0" "log" (func $log (param $level i32) (param $text i32) (param $bytes i32)))
  (import "env" "memory" (memory 0))

  ;; Moves by a microsecond whenever it is read.
  (global $nanoseconds (mut i64) (i64.const 1))
  (global $has_seed (mut i32) (i32.const 0))

  ;; The clock of the wall stands at the start of 1970.
  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $at i32) (result i32)
    (if (local.get $clock)
      (then
        (global.set $nanoseconds (i64.add (global.get $nanoseconds) (i64.const 1000)))
        (i64.store (local.get $at) (global.get $nanoseconds)))
      (else (i64.store (local.get $at) (i64.const 0))))
    (i32.const 0))

  ;; A sleep is over at once, and the clock has moved as if it had been slept. Its first wish is
  ;; the only one that can be for a time; nothing else ever comes true.
  (func (export "poll_oneoff") (param $wishes i32) (param $events i32) (param $count i32) (param $happened i32) (result i32)
    (if (i32.eqz (local.get $count)) (then (return (i32.const 28))))
    (if (i32.load8_u offset=8 (local.get $wishes)) (then (return (i32.const 52))))
    (global.set $nanoseconds
      (i64.add (global.get $nanoseconds) (i64.load offset=24 (local.get $wishes))))
    (i32.store (local.get $happened) (i32.const 0))
    (i32.const 0))

  ;; Once, for the runtime itself: what asks later wants real randomness, and there is none.
  (func (export "random_get") (param $at i32) (param $bytes i32) (result i32)
    (local $state i32)
    (if (global.get $has_seed) (then (return (i32.const 52))))
    (global.set $has_seed (i32.const 1))
    (local.set $state (i32.const 0x9e3779b9))
    (loop $next
      (if (local.get $bytes)
        (then
          (local.set $state
            (i32.add (i32.mul (local.get $state) (i32.const 1664525)) (i32.const 1013904223)))
          (i32.store8 (local.get $at) (i32.shr_u (local.get $state) (i32.const 24)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))
          (br $next))))
    (i32.const 0))

  ;; Standard output is for the author, standard error for whoever has to act.
  (func (export "fd_write") (param $fd i32) (param $pieces i32) (param $count i32) (param $written i32) (result i32)
    (local $text i32) (local $bytes i32) (local $all i32)
    (if (i32.and (i32.ne (local.get $fd) (i32.const 1)) (i32.ne (local.get $fd) (i32.const 2)))
      (then (return (i32.const 8))))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $text (i32.load (local.get $pieces)))
        (local.set $bytes (i32.load offset=4 (local.get $pieces)))
        (local.set $all (i32.add (local.get $all) (local.get $bytes)))
        (call $line
          (select (i32.const 0) (i32.const 3) (i32.eq (local.get $fd) (i32.const 1)))
          (local.get $text) (local.get $bytes))
        (local.set $pieces (i32.add (local.get $pieces) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $written) (local.get $all))
    (i32.const 0))

  ;; Without the end of the line, and not at all where it is empty or no UTF-8.
  (func $line (param $level i32) (param $text i32) (param $bytes i32)
    (block $trimmed
      (loop $trim
        (br_if $trimmed (i32.eqz (local.get $bytes)))
        (br_if $trimmed
          (i32.ne (i32.const 10)
            (i32.load8_u (i32.sub (i32.add (local.get $text) (local.get $bytes)) (i32.const 1)))))
        (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))
        (br $trim)))
    (if (i32.eqz (local.get $bytes)) (then (return)))
    (if (call $is_utf8 (local.get $text) (i32.add (local.get $text) (local.get $bytes)))
      (then (call $log (local.get $level) (local.get $text) (local.get $bytes)))))

  (func $is_utf8 (param $at i32) (param $end i32) (result i32)
    (local $byte i32) (local $more i32) (local $least i32) (local $most i32)
    (loop $next
      (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i32.const 1))))
      (local.set $byte (i32.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $byte) (i32.const 0x80)))
      ;; How many bytes follow, and between which bounds the first of them lies.
      (local.set $least (i32.const 0x80))
      (local.set $most (i32.const 0xbf))
      (if (i32.lt_u (local.get $byte) (i32.const 0xc2)) (then (return (i32.const 0))))
      (if (i32.gt_u (local.get $byte) (i32.const 0xf4)) (then (return (i32.const 0))))
      (local.set $more (i32.add (i32.const 1)
        (i32.add (i32.ge_u (local.get $byte) (i32.const 0xe0)) (i32.ge_u (local.get $byte) (i32.const 0xf0)))))
      (if (i32.eq (local.get $byte) (i32.const 0xe0)) (then (local.set $least (i32.const 0xa0))))
      (if (i32.eq (local.get $byte) (i32.const 0xed)) (then (local.set $most (i32.const 0x9f))))
      (if (i32.eq (local.get $byte) (i32.const 0xf0)) (then (local.set $least (i32.const 0x90))))
      (if (i32.eq (local.get $byte) (i32.const 0xf4)) (then (local.set $most (i32.const 0x8f))))
      (if (i32.gt_u (local.get $more) (i32.sub (local.get $end) (local.get $at))) (then (return (i32.const 0))))
      (loop $follow
        (local.set $byte (i32.load8_u (local.get $at)))
        (if (i32.lt_u (local.get $byte) (local.get $least)) (then (return (i32.const 0))))
        (if (i32.gt_u (local.get $byte) (local.get $most)) (then (return (i32.const 0))))
        (local.set $least (i32.const 0x80))
        (local.set $most (i32.const 0xbf))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $more (i32.sub (local.get $more) (i32.const 1)))
        (br_if $follow (local.get $more)))
      (br $next))
    (unreachable))

  (func (export "proc_exit") (param $code i32) (unreachable))

  ;; No arguments and no environment.
  (func (export "args_sizes_get") (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_sizes_get") (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))

  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; No such file: this is how a program learns that no folder is open.
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))

  ;; Not implemented.
  (func (export "clock_res_get") (param i32 i32) (result i32) (i32.const 52))
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 52))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 52))
  (func (export "fd_close") (param i32) (result i32) (i32.const 52))
  (func (export "fd_datasync") (param i32) (result i32) (i32.const 52))
  (func (export "fd_fdstat_get") (param i32 i32) (result i32) (i32.const 52))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 52))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 52))
  (func (export "fd_filestat_get") (param i32 i32) (result i32) (i32.const 52))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 52))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 52))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (i32.const 52))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (i32.const 52))
  (func (export "fd_read") (param i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (i32.const 52))
  (func (export "fd_renumber") (param i32 i32) (result i32) (i32.const 52))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 52))
  (func (export "fd_sync") (param i32) (result i32) (i32.const 52))
  (func (export "fd_tell") (param i32 i32) (result i32) (i32.const 52))
  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 52))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 52))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "proc_raise") (param i32) (result i32) (i32.const 52))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 52)))
