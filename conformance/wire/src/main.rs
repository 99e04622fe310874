//! `haar-wire-conformance`: a question per line on the input, an answer per line on the output.

use std::io::{BufRead, Write};

fn main() -> std::io::Result<()> {
    let catalogue = haar_wire_conformance::catalogue();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        writeln!(out, "{}", haar_wire_conformance::answer_line(&catalogue, &line?))?;
        out.flush()?;
    }
    Ok(())
}
