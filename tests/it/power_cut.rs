//! The short form of `cargo xtask chaos powercut`.

use std::path::PathBuf;

use hookgate_tests::faults::power::{Promise, Setting, run};
use hookgate_tests::postgres::can_mount;
use hookgate_tests::tool;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlasts_power_cuts() {
    let Some(disk) = std::env::var_os("HOOKGATE_LOSSY_DISK").map(PathBuf::from) else {
        return tool::left_out("no lossy disk: only in `cargo xtask test --full`");
    };
    if !can_mount() || !std::path::Path::new("/dev/fuse").exists() {
        return tool::left_out("a disk cannot be mounted (needs root and /dev/fuse)");
    }
    let setting = Setting {
        disk: &disk,
        cuts: 2,
        events: 300,
        seed: 1,
    };
    let kept = run(setting, Promise::Kept, |step| println!("{step}")).await;
    assert_eq!(
        (kept.cuts, kept.lost, kept.is_broken),
        (2, 0, false),
        "{kept:?}"
    );
    let once = Setting { cuts: 1, ..setting };
    for control in Promise::CONTROLS {
        let seen = run(once, control, |step| println!("{}: {step}", control.name())).await;
        assert!(
            seen.lost > 0 || seen.is_broken,
            "{control:?} lost nothing: {seen:?}"
        );
    }
}
