//! Code and constants that were needed once, most of them at the start, as memory.

use std::ops::Range;

/// Takes this program's code and constants out of its memory: what runs next is mapped again as it
/// is reached, sixteen pages at a time, out of the system's own copy. Costs a millisecond in all.
pub fn unmap_idle_code() {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    for range in unchanged(&maps, unmap_idle_code as fn() as usize) {
        // SAFETY: these are the program's own mappings, which stay for as long as it runs. They
        // are private and cannot be written, and nothing of them was changed in memory: whoever
        // reads there next finds what the file holds, as before. The file of a program that runs
        // cannot be written, only replaced.
        let _ = unsafe {
            libc::madvise(range.start as *mut libc::c_void, range.len(), libc::MADV_DONTNEED)
        };
    }
}

/// One line of the table of mappings, and what a later one says of it.
struct Mapping<'a> {
    range: Range<usize>,
    mode: &'a str,
    path: &'a str,
    is_changed: bool,
}

/// The mapping of the code that has this address, and that of the constants right before it;
/// neither if anything of it was written, even by whoever put addresses in at the start.
fn unchanged(smaps: &str, address: usize) -> Vec<Range<usize>> {
    let mappings = mappings(smaps);
    let holds = |mapping: &Mapping<'_>| mapping.range.contains(&address);
    let Some(at) = mappings.iter().position(holds) else { return Vec::new() };
    let code = &mappings[at];
    let belongs = |mapping: &&Mapping<'_>| {
        let adjoins = mapping.range.end == code.range.start || mapping.range == code.range;
        adjoins && mapping.path == code.path && matches!(mapping.mode, "r-xp" | "r--p")
    };
    let both = mappings[at.saturating_sub(1)..=at].iter();
    let fixed = both.filter(belongs).filter(|mapping| !mapping.is_changed);
    fixed.map(|mapping| mapping.range.clone()).collect()
}

fn mappings(smaps: &str) -> Vec<Mapping<'_>> {
    let mut found: Vec<Mapping<'_>> = Vec::new();
    for line in smaps.lines() {
        if let Some(mapping) = mapping(line) {
            found.push(mapping);
        } else if let Some(last) = found.last_mut() {
            // what was changed is in memory, or was taken out of it
            match line.split_once(':') {
                Some(("Anonymous", size)) => last.is_changed = size.trim() != "0 kB",
                Some(("Swap", size)) => last.is_changed |= size.trim() != "0 kB",
                _ => {}
            }
        }
    }
    found
}

/// A mapping's first line: its addresses, its mode, three numbers, what it is of.
fn mapping(line: &str) -> Option<Mapping<'_>> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    let range = number(start)?..number(end)?;
    let mode = fields.next()?;
    Some(Mapping { range, mode, path: fields.nth(3).unwrap_or_default(), is_changed: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
1000-5000 r--p 00000000 fe:00 326429                     /usr/bin/haar
Rss:                 16 kB
Anonymous:            0 kB
VmFlags: rd mr mw me sd
5000-9000 r-xp 00004000 fe:00 326429                     /usr/bin/haar
Anonymous:            0 kB
9000-a000 r--p 00008000 fe:00 326429                     /usr/bin/haar
Anonymous:            4 kB
a000-b000 rw-p 00009000 fe:00 326429                     /usr/bin/haar
Anonymous:            0 kB
b000-c000 r--p 00000000 fe:00 326430                     /usr/lib/libc.so.6
Anonymous:            0 kB
c000-d000 r-xp 00000000 fe:00 326430                     /usr/lib/libc.so.6
Anonymous:            4 kB
d000-e000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:            0 kB
";

    fn starts(address: usize) -> Vec<usize> {
        unchanged(SMAPS, address).into_iter().map(|range| range.start).collect()
    }

    #[test]
    fn code_and_its_constants_are_found_by_an_address() {
        assert_eq!(starts(0x6000), [0x1000, 0x5000]);
        assert_eq!(starts(0xd500), [0xd000]);
        assert_eq!(starts(0xf000), [0; 0]);
    }

    #[test]
    fn what_was_changed_in_memory_stays() {
        assert_eq!(starts(0x9100), [0x5000]);
        assert_eq!(starts(0xa100), [0; 0]);
        assert_eq!(starts(0xc100), [0xb000]);
    }

    #[test]
    fn what_was_unmapped_runs_on() {
        unmap_idle_code();
        let words = ["still", "here"];
        assert_eq!(words.join(" "), "still here");
    }
}
