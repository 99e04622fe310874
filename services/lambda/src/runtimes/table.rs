//! AWS's runtime identifiers, and the choice of an interpreter for each.

use super::{Interpreter, RuntimeRow};

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// CPython.
    Python,
    /// Node.js.
    Node,
    /// A Java virtual machine.
    Java,
    /// CRuby.
    Ruby,
    /// .NET, which haar does not run.
    Dotnet,
    /// The function's own `bootstrap`.
    Provided,
}

impl Family {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "nodejs",
            Self::Java => "java",
            Self::Ruby => "ruby",
            Self::Dotnet => "dotnet",
            Self::Provided => "provided",
        }
    }
}

/// AWS docs: *Lambda runtimes*; deprecated ones too, since old functions should still run.
pub(super) const RUNTIMES: &[(&str, Family, (u32, u32))] = &[
    ("python3.6", Family::Python, (3, 6)),
    ("python3.7", Family::Python, (3, 7)),
    ("python3.8", Family::Python, (3, 8)),
    ("python3.9", Family::Python, (3, 9)),
    ("python3.10", Family::Python, (3, 10)),
    ("python3.11", Family::Python, (3, 11)),
    ("python3.12", Family::Python, (3, 12)),
    ("python3.13", Family::Python, (3, 13)),
    ("python3.14", Family::Python, (3, 14)),
    ("nodejs12.x", Family::Node, (12, 0)),
    ("nodejs14.x", Family::Node, (14, 0)),
    ("nodejs16.x", Family::Node, (16, 0)),
    ("nodejs18.x", Family::Node, (18, 0)),
    ("nodejs20.x", Family::Node, (20, 0)),
    ("nodejs22.x", Family::Node, (22, 0)),
    ("nodejs24.x", Family::Node, (24, 0)),
    ("java8", Family::Java, (8, 0)),
    ("java8.al2", Family::Java, (8, 0)),
    ("java11", Family::Java, (11, 0)),
    ("java17", Family::Java, (17, 0)),
    ("java21", Family::Java, (21, 0)),
    ("java25", Family::Java, (25, 0)),
    ("ruby2.7", Family::Ruby, (2, 7)),
    ("ruby3.2", Family::Ruby, (3, 2)),
    ("ruby3.3", Family::Ruby, (3, 3)),
    ("ruby3.4", Family::Ruby, (3, 4)),
    ("ruby4.0", Family::Ruby, (4, 0)),
    ("dotnet6", Family::Dotnet, (6, 0)),
    ("dotnet8", Family::Dotnet, (8, 0)),
    ("dotnet10", Family::Dotnet, (10, 0)),
    ("provided", Family::Provided, (1, 0)),
    ("provided.al2", Family::Provided, (2, 0)),
    ("provided.al2023", Family::Provided, (2023, 0)),
    ("go1.x", Family::Provided, (1, 0)),
];

/// Chooses the interpreter for one runtime: exact, else the next newer, else the newest.
pub(super) fn row(
    id: &'static str,
    family: Family,
    version: (u32, u32),
    found: &[Interpreter],
) -> RuntimeRow {
    if family == Family::Provided {
        return RuntimeRow { id, family, interpreter: None, usable: true, note: None };
    }
    if family == Family::Dotnet {
        let note = Some(missing(family, id));
        return RuntimeRow { id, family, interpreter: None, usable: false, note };
    }
    let of_family = || found.iter().filter(|one| one.family == family);
    let exact = of_family().find(|one| one.version == version);
    let newer = || of_family().filter(|one| one.version > version).min_by_key(|one| one.version);
    let newest = || of_family().max_by_key(|one| one.version);
    let interpreter = exact.or_else(newer).or_else(newest).cloned();
    let note = match &interpreter {
        None => Some(missing(family, id)),
        Some(one) if one.version == version => None,
        Some(one) => Some(format!("{id} is not on this host; {} stands in", one.label())),
    };
    RuntimeRow { id, family, usable: interpreter.is_some(), interpreter, note }
}

fn missing(family: Family, id: &str) -> String {
    let package = match family {
        Family::Python => "a python3 (Debian: apt install python3; or pyenv install)",
        Family::Node => "Node.js (Debian: apt install nodejs)",
        Family::Java => "a Java runtime (Debian: apt install default-jre-headless)",
        Family::Ruby => "Ruby (Debian: apt install ruby; or rbenv install)",
        Family::Dotnet | Family::Provided => {
            return format!(
                "haar does not run {id} yet. Install nothing: publish the function as a native \
                 executable for provided.al2023 instead."
            );
        }
    };
    format!("No interpreter for {id} on this host. Install {package} and start haar again.")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn python(minor: u32) -> Interpreter {
        let path = PathBuf::from(format!("/usr/bin/python3.{minor}"));
        let version = (3, minor);
        Interpreter { family: Family::Python, version, path, prefix: None, packages: None }
    }

    #[test]
    fn the_exact_version_wins_then_the_next_newer_then_the_newest() {
        let found = [python(9), python(11), python(12)];
        let chosen = |minor| {
            let row = row("x", Family::Python, (3, minor), &found);
            (row.interpreter.unwrap().version.1, row.note.is_some())
        };
        assert_eq!(chosen(11), (11, false));
        assert_eq!(chosen(10), (11, true));
        assert_eq!(chosen(13), (12, true));
        let none = row("ruby3.4", Family::Ruby, (3, 4), &found);
        assert!(!none.usable && none.note.unwrap().contains("Install Ruby (Debian: apt"));
        let never = row("dotnet8", Family::Dotnet, (8, 0), &found);
        assert!(!never.usable && never.note.unwrap().contains("does not run dotnet8 yet"));
    }
}
