//! A real disk of a few kilobytes that fills up as real ones do (`ENOSPC` from the kernel).
//!
//! It is a memory file system in a mount namespace that a waiting process holds open:
//! programs are started inside, nobody else sees it, and it is gone with the last of them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use oscar_peers::PeerError;

use crate::is_root;

/// What a file takes at least, on this disk.
const PAGE: u64 = 4096;

/// The disk, mounted at a folder, for the programs started through it.
pub struct SmallDisk {
    holder: Child,
    place: PathBuf,
    as_root: bool,
}

impl SmallDisk {
    /// Mounts a disk of so many kilobytes at the folder `place`.
    ///
    /// # Errors
    /// Absent where the system gives nobody a mount namespace.
    pub fn at(place: &Path, kilobytes: u64) -> Result<Self, PeerError> {
        let absent = |why: String| PeerError::Absent(format!("no disk of our own (unshare, mount): {why}"));
        let as_root = is_root();
        let script = format!("mount -t tmpfs -o size={kilobytes}k,mode=700 none \"$0\" && echo mounted && exec cat");
        let mut holder = Command::new("unshare")
            .args(if as_root { ["-m"].as_slice() } else { ["-U", "-r", "-m"].as_slice() })
            .args(["sh", "-c", &script])
            .arg(place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| absent(error.to_string()))?;
        let mut line = String::new();
        if let Some(said) = holder.stdout.as_mut() {
            let _ = BufReader::new(said).read_line(&mut line);
        }
        let disk = Self { holder, place: place.to_owned(), as_root };
        if line == "mounted\n" { Ok(disk) } else { Err(absent("the mount was refused".to_owned())) }
    }

    /// A command that runs `program` where the disk is. Its paths must be absolute.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("-t").arg(self.holder.id().to_string());
        if !self.as_root {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.args(["-m", "--"]).arg(program);
        command
    }

    /// Makes the disk larger.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn grow(&self, kilobytes: u64) -> anyhow::Result<()> {
        self.run(&format!("mount -o remount,size={kilobytes}k \"$0\""))
    }

    /// Fills the disk up to so many files of a few bytes.
    ///
    /// # Errors
    /// When the disk does not fill up.
    pub fn leave_room_for(&self, files: u64) -> anyhow::Result<()> {
        let fill = "dd if=/dev/zero of=\"$0/filler\" bs=4096 2>/dev/null && exit 1";
        self.run(&format!("{fill}; truncate -s -{} \"$0/filler\"", files * PAGE))
    }

    /// Takes away what filled it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn make_room(&self) -> anyhow::Result<()> {
        self.run("rm -f \"$0/filler\"")
    }

    fn run(&self, script: &str) -> anyhow::Result<()> {
        let output = self.command(Path::new("sh")).args(["-c", script]).arg(&self.place).output();
        let output = output.context("no shell beside the disk")?;
        ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Closing the pipe ends the holder.
        drop(self.holder.stdin.take());
        let _reaped = self.holder.wait();
    }
}
