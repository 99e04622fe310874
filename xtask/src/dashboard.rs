//! Sizes of files and functions beside what STYLE aims at.

use std::collections::BTreeMap;

use crate::tree::SourceFile;
use crate::{Outcome, tree};

/// How many of the largest are named.
const NAMED: usize = 8;

/// Prints medians, 90th and 99th percentiles and the largest, then lines by crate.
pub(crate) fn run(_arguments: &[String]) -> Outcome {
    let files = tree::files()?;
    let rust: Vec<&SourceFile> = files.iter().filter(|file| file.is_rust()).collect();
    let ours = |file: &&&SourceFile| !file.is_generated() && !file.is_test();
    let production: Vec<&SourceFile> = rust.iter().filter(ours).copied().collect();

    let mut sizes: Vec<(usize, String)> =
        production.iter().map(|file| (file.lines(), file.path.clone())).collect();
    show("production files (aim: median 150, p90 350, seldom over 500)", &mut sizes);
    let mut functions: Vec<(usize, String)> =
        production.iter().flat_map(|file| functions(file)).collect();
    show("functions (aim: median 8, p90 25, p99 50, seldom over 60)", &mut functions);
    show_crates(&rust);
    Ok(())
}

fn show(title: &str, sizes: &mut [(usize, String)]) {
    sizes.sort();
    let at = |percent: usize| {
        let last = sizes.len().saturating_sub(1);
        sizes.get(last * percent / 100).map_or(0, |(lines, _)| *lines)
    };
    println!("{title}");
    println!("  {} in all: median {}, p90 {}, p99 {}", sizes.len(), at(50), at(90), at(99));
    for (lines, name) in sizes.iter().rev().take(NAMED) {
        println!("  {lines:>6} {name}");
    }
}

/// The functions of a file that rustfmt has laid out: from `fn` to the brace below it.
fn functions(file: &SourceFile) -> Vec<(usize, String)> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let Some(name) = function_name(body) else { continue };
        let closing = format!("{}}}", &line[..line.len() - body.len()]);
        let ends = |candidate: &str| candidate == closing;
        let length = if body.ends_with('}') {
            1
        } else {
            lines[start..].iter().position(|line| ends(line)).map_or(1, |end| end + 1)
        };
        found.push((length, format!("{}:{} {name}", file.path, start + 1)));
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let words = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];
    let mut rest = line;
    while let Some((word, after)) = rest.split_once(' ') {
        if word == "fn" {
            return after.split(['(', '<']).next();
        }
        if !words.contains(&word) {
            return None;
        }
        rest = after;
    }
    None
}

fn show_crates(rust: &[&SourceFile]) {
    let mut crates: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for file in rust {
        let folder = file.path.split("/src/").next().unwrap_or_default();
        let folder = folder.split("/tests/").next().unwrap_or_default();
        let column = if file.is_generated() { 2 } else { usize::from(file.is_test()) };
        crates.entry(folder.to_owned()).or_default()[column] += file.lines();
    }
    println!("lines by crate: production, tests apart, generated");
    let mut total = [0; 3];
    for (name, lines) in &crates {
        println!("  {name:<28} {:>7} {:>7} {:>7}", lines[0], lines[1], lines[2]);
        for (sum, lines) in total.iter_mut().zip(lines) {
            *sum += lines;
        }
    }
    println!("  {:<28} {:>7} {:>7} {:>7}", "in all", total[0], total[1], total[2]);
}
