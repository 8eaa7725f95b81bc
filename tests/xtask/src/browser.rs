//! Sees to it that the dashboard can be tested in a real browser: Chromium, and the two packages
//! that drive and judge it. What cannot be had is told in one line; the tests then leave it out.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{apt_install, is_root, npm_install, step, target_dir, works};

const PACKAGES: [&str; 2] = ["playwright-core@1.65.1", "axe-core@4.14.1"];

/// The folder with the packages, once there is a browser too.
pub(crate) fn ensure() -> Option<PathBuf> {
    let folder = target_dir().join("browser");
    if !works(Command::new("chromium").arg("--version")) && !install() {
        step("no chromium, and none to be had: journeys in a browser are left out");
        return None;
    }
    let modules = folder.join("node_modules");
    if modules.join("axe-core").is_dir() && modules.join("playwright-core").is_dir() {
        return Some(folder);
    }
    step("what drives the browser, from npm");
    std::fs::create_dir_all(&folder).ok()?;
    if npm_install(&folder, &PACKAGES).is_err() {
        step("no npm: journeys in a browser are left out");
        return None;
    }
    Some(folder)
}

/// Debian's own, where that is apt's and root's to do.
fn install() -> bool {
    if !is_root() || !Path::new("/usr/bin/apt-get").exists() {
        return false;
    }
    step("installing Chromium");
    apt_install(&["chromium", "fonts-dejavu-core"]).is_ok()
}
