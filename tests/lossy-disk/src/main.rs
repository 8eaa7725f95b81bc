//! `lossy-disk BACKING MOUNTPOINT [SEED]`: shows the folder BACKING at MOUNTPOINT, and keeps what is
//! written there in memory until it is synced. Killed (SIGKILL), it loses the rest: a power cut.
//!
//! A disk may write a page before anybody asks it to, in any order; so one page in ten goes through
//! at once, chosen by the seed. It is kinder than a real disk in one respect: names (creating,
//! renaming, removing) and lengths that are cut are durable at once.

mod disk;
mod pages;

use std::path::PathBuf;
use std::process::ExitCode;

use fuser::{Config, MountOption};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let (Some(backing), Some(point)) = (args.next(), args.next()) else {
        eprintln!("lossy-disk BACKING MOUNTPOINT [SEED]");
        return ExitCode::FAILURE;
    };
    let seed = args.next().and_then(|seed| seed.to_str()?.parse().ok());
    let disk = match disk::Disk::over(PathBuf::from(backing), seed.unwrap_or(1)) {
        Ok(disk) => disk,
        Err(error) => {
            eprintln!("the backing folder cannot be read: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("lossy-disk".to_owned())];
    config.n_threads = Some(4);
    match fuser::mount(disk, PathBuf::from(point), &config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("could not mount (needs root and /dev/fuse): {error}");
            ExitCode::FAILURE
        }
    }
}
