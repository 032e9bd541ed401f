//! A network of a test's own: the test runs again in a new network namespace, which ends with it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{fs, process::Command};

/// Says that we are inside.
const INSIDE: &str = "VARDE_TEST_NAMESPACE";

/// Runs a test in a namespace of its own, with nothing in it but an idle loopback. Where that is not permitted, the test is
/// skipped and says so; under `CI` it fails.
pub(crate) fn inside(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        // The kernel's own neighbour discovery would be counted.
        for which in ["all", "default"] {
            let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6"), "1");
        }
        return body();
    }
    let may = |flags: &&str| {
        let status = Command::new("unshare").args([flags, "true"]).output();
        status.is_ok_and(|output| output.status.success())
    };
    let Some(flags) = ["-n", "-rn"].into_iter().find(|flags| may(flags)) else {
        return skip("no network namespace can be made, run as root");
    };
    let output = Command::new("unshare")
        .args([flags, "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    println!("{}", String::from_utf8_lossy(&told));
    assert!(output.status.success(), "{test} failed in its namespace");
}

/// Tells why a test does not run; fails where all of them must.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    println!("skipped: {why}");
}

/// Whether a program is there.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// Runs `ip` with these words.
pub(crate) fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ip {words}: {told}");
}

/// A cable between `near` and `far`.
pub(crate) fn cable() {
    ip("link add near type veth peer name far");
    ip("link set near up");
    ip("link set far up");
}
