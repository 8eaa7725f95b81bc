//! Machine code on disk: used again when it is ours, made anew when it is not.

use crate::support::{TestHost, component, start_in, worker};
use hookgate_plugin_host::Limits;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn artefacts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("artefacts"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_some_and(|ending| ending == "cwasm"))
        .collect()
}

#[tokio::test]
async fn a_second_start_finds_the_machine_code_of_the_first() {
    let first = TestHost::start();
    first.host.prepare(component("verdicts")).await.unwrap();
    let second = start_in(first.folder.path(), Limits::default(), worker());
    let prepared = second.prepare(component("verdicts")).await.unwrap();
    assert!(prepared.compile_time.is_zero());
    assert_eq!((second.stats().cache_hits, second.stats().compiles), (1, 0));
}

#[tokio::test]
async fn a_flipped_byte_anywhere_is_noticed_and_compiled_anew() {
    let host = TestHost::start();
    host.host.prepare(component("verdicts")).await.unwrap();
    let path = artefacts(host.folder.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    for place in [0, 31, 32, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        fs::write(&path, &changed).unwrap();
        host.host.prepare(component("verdicts")).await.unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), whole.len());
    }
    for cut in [0, 10, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        host.host.prepare(component("verdicts")).await.unwrap();
    }
    let stats = host.host.stats();
    assert_eq!(
        (stats.compiles, stats.cache_spoiled, stats.cache_hits),
        (9, 8, 0)
    );
}

#[tokio::test]
async fn another_plugins_machine_code_under_this_ones_name_is_noticed() {
    let host = TestHost::start();
    host.host.prepare(component("verdicts")).await.unwrap();
    let first = artefacts(host.folder.path()).remove(0);
    host.host.prepare(component("filters")).await.unwrap();
    let second = artefacts(host.folder.path())
        .into_iter()
        .find(|path| *path != first)
        .unwrap();
    fs::copy(&first, &second).unwrap();
    host.host.prepare(component("filters")).await.unwrap();
    assert_eq!(host.host.stats().cache_spoiled, 1);
}

#[tokio::test]
async fn folder_and_key_are_this_users_alone() {
    let host = TestHost::start();
    let folder = host.folder.path().join("artefacts");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("key")), 0o600);
}

#[tokio::test]
async fn a_cached_artefact_is_no_upload() {
    let host = TestHost::start();
    host.host.prepare(component("verdicts")).await.unwrap();
    let stored = fs::read(&artefacts(host.folder.path())[0]).unwrap();
    let refused = host.refusal_of(stored[32..].to_vec().into()).await;
    assert_eq!(refused.reason.as_str(), "precompiled");
}
