//! Figures of a control group.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use haar_substrate::{Stats, Transfer};

use super::Cgroup;

impl Cgroup {
    /// What the sandbox uses and has used.
    pub(crate) fn stats(&self) -> io::Result<Stats> {
        let mut stats = Stats { oom_kill_count: self.oom_kill_count(), ..Stats::default() };
        if let Some(dir) = &self.at.memory {
            let (now, peak) = match self.at.unified {
                true => ("memory.current", "memory.peak"),
                false => ("memory.usage_in_bytes", "memory.max_usage_in_bytes"),
            };
            stats.memory_bytes = read_number(&dir.join(now))?;
            stats.memory_peak_bytes = read_number(&dir.join(peak)).unwrap_or(stats.memory_bytes);
            let cache = if self.at.unified { "file" } else { "total_cache" };
            stats.cache_bytes = read_field(&dir.join("memory.stat"), cache).unwrap_or(0);
        }
        if let Some(dir) = &self.at.cpuacct {
            stats.cpu = match self.at.unified {
                true => Duration::from_micros(read_field(&dir.join("cpu.stat"), "usage_usec")?),
                false => Duration::from_nanos(read_number(&dir.join("cpuacct.usage"))?),
            };
        }
        if let Some(dir) = &self.at.block {
            (stats.block_read, stats.block_write) = match self.at.unified {
                true => block_io(&dir.join("io.stat")),
                false => throttled(dir),
            };
        }
        if let Some(dir) = &self.at.pids {
            stats.pids = read_number(&dir.join("pids.current"))?;
        }
        Ok(stats)
    }

    /// The most memory it has used, or where the host keeps no such figure what it uses.
    pub(crate) fn memory_peak(&self) -> io::Result<Gauge> {
        let dir = self.at.memory.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        if !self.at.unified {
            return Gauge::open(&dir.join("memory.max_usage_in_bytes"));
        }
        Gauge::open(&dir.join("memory.peak")).or_else(|_| Gauge::open(&dir.join("memory.current")))
    }

    /// Starts the peak anew. Version 2 resets it per open file only, which is no use here.
    pub(crate) fn reset_peak(&self) -> io::Result<()> {
        match &self.at.memory {
            Some(dir) if !self.at.unified => fs::write(dir.join("memory.max_usage_in_bytes"), "0"),
            _ => Ok(()),
        }
    }

    /// Processes that the kernel killed for memory.
    pub(crate) fn oom_kill_count(&self) -> u64 {
        let Some(dir) = &self.at.memory else { return 0 };
        let file = if self.at.unified { "memory.events" } else { "memory.oom_control" };
        read_field(&dir.join(file), "oom_kill").unwrap_or(0)
    }
}

/// A file with one number, kept open: to read it again takes one system call.
#[derive(Debug)]
pub(crate) struct Gauge(fs::File);

impl Gauge {
    fn open(file: &Path) -> io::Result<Self> {
        fs::File::open(file).map(Self)
    }

    /// What it says now.
    pub(crate) fn read(&self) -> io::Result<u64> {
        let mut text = [0; 24];
        let length = std::os::unix::fs::FileExt::read_at(&self.0, &mut text, 0)?;
        let digits = text[..length].trim_ascii();
        str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or_else(|| {
            io::Error::other(format!("{:?} is no number", String::from_utf8_lossy(digits)))
        })
    }
}

/// What version 2 tells of block devices: read and written, over all of them.
fn block_io(file: &Path) -> (Transfer, Transfer) {
    let (mut read, mut written) = (Transfer::default(), Transfer::default());
    for pair in fs::read_to_string(file).unwrap_or_default().split_whitespace() {
        let Some((name, Ok(value))) = pair.split_once('=').map(|(n, v)| (n, v.parse::<u64>()))
        else {
            continue;
        };
        match name {
            "rbytes" => read.bytes += value,
            "wbytes" => written.bytes += value,
            "rios" => read.count += value,
            "wios" => written.count += value,
            _ => {}
        }
    }
    (read, written)
}

/// What version 1 tells of block devices. Groups within count along where the kernel has the
/// recursive files.
fn throttled(dir: &Path) -> (Transfer, Transfer) {
    let (mut read, mut written) = (Transfer::default(), Transfer::default());
    (read.bytes, written.bytes) = told(dir, "io_service_bytes");
    (read.count, written.count) = operations(dir);
    (read, written)
}

/// How often version 1 says that block devices were read from and written to.
pub(super) fn operations(dir: &Path) -> (u64, u64) {
    told(dir, "io_serviced")
}

/// Lines of a device, `Read` or `Write`, and a number.
fn told(dir: &Path, name: &str) -> (u64, u64) {
    let text = fs::read_to_string(dir.join(format!("blkio.throttle.{name}_recursive")));
    let text = text.or_else(|_| fs::read_to_string(dir.join(format!("blkio.throttle.{name}"))));
    let (mut read, mut written) = (0, 0);
    for line in text.unwrap_or_default().lines() {
        let mut words = line.split_whitespace().skip(1);
        let way = match words.next() {
            Some("Read") => &mut read,
            Some("Write") => &mut written,
            _ => continue,
        };
        *way += words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    }
    (read, written)
}

pub(super) fn read_number(file: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(file)?;
    text.trim().parse().map_err(io::Error::other)
}

pub(super) fn read_field(file: &Path, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(file)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = value.ok_or_else(|| io::Error::other(format!("no {name}")))?;
    value.trim().parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_tells_each_way_of_each_device() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = "8:0 Read 100\n8:0 Write 20\n8:0 Sync 120\n8:16 Read 1\nTotal 121\n";
        fs::write(dir.path().join("blkio.throttle.io_service_bytes_recursive"), bytes).unwrap();
        fs::write(dir.path().join("blkio.throttle.io_serviced"), "8:0 Read 3\nTotal 3\n").unwrap();
        let (read, written) = throttled(dir.path());
        assert_eq!((read.bytes, read.count), (101, 3));
        assert_eq!((written.bytes, written.count), (20, 0));
    }
}
