//! An intake takes the memory of a block, not of a file.

use std::path::Path;
use std::process::Stdio;

use oscar_e2e::{Delivery, Installation};
use oscar_peers::{OidcProvider, required_in_ci, skipped};

/// What the project promises, in KiB.
const PROMISED: u64 = 512 * 1024;
const PERSONS: usize = 20_000;

/// The highest resident memory of an intake of so many rows, in KiB, and the file's size in bytes.
fn peak(provider: &OidcProvider, visits: usize) -> (u64, u64) {
    let installation = Installation::on_disk(provider).unwrap();
    let delivery = Delivery::write_visits(PERSONS, visits).unwrap();
    let mut intake = installation.intake_command(&delivery);
    let mut intake = intake.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", intake.id());
    let mut peak = 0;
    let ended = loop {
        // The kernel keeps the highest mark itself: only the last look matters.
        let look = std::fs::read_to_string(&status).unwrap_or_default();
        let mark = look.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let mark = mark.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        peak = peak.max(mark.unwrap_or(0));
        if let Some(ended) = intake.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    assert!(ended.success(), "{ended}");
    (peak, delivery.data_file().metadata().unwrap().len())
}

#[test]
fn the_memory_of_an_intake_does_not_grow_with_its_file() {
    if !Path::new("/proc/self/status").exists() {
        assert!(!oscar_peers::in_ci(), "no /proc on CI");
        skipped("no /proc, where the memory of a process is read");
        return;
    }
    let Some(provider) = required_in_ci(OidcProvider::start()) else { return };
    let (small, small_file) = peak(&provider, 40);
    let (large, large_file) = peak(&provider, 160);
    println!("{small} KiB for {small_file} bytes, {large} KiB for {large_file} bytes");
    assert!(small > 10_000, "the memory was not seen: {small} KiB");
    assert!(large < PROMISED, "{large} KiB for {large_file} bytes");
    // Four times the file, three quarters of it new: a part that was kept would show.
    let kept = large.saturating_sub(small) * 1024;
    assert!(kept < (large_file - small_file) / 2, "{kept} bytes more for {} more in the file", large_file - small_file);
}
