//! `haar env`: the exports that point AWS clients, and haar's own commands, at the cloud.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::client::EndpointArguments;
use super::{Output, block_on};

/// See [`run`].
#[derive(Args)]
pub(crate) struct EnvArguments {
    #[command(flatten)]
    endpoint: EndpointArguments,
    /// The access key id: any, or the 12 digits of an account. Without it, a key that the shell
    /// has is kept, and `test` is taken where it has none.
    #[arg(long)]
    access_key_id: Option<String>,
    /// The secret of that key; any, where the cloud lets everybody in.
    #[arg(long)]
    secret_access_key: Option<String>,
    /// The region of clients; the shell's, else the cloud's, else us-east-1, where not told.
    #[arg(long)]
    region: Option<String>,
    /// How the shell sets variables.
    #[arg(long, value_enum, default_value = "sh")]
    shell: Shell,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    /// `export NAME=value`: sh, bash, zsh.
    Sh,
    /// `set -gx NAME value`.
    Fish,
    /// `NAME=value`, for --env-file and the like.
    File,
}

/// Prints the settings; asks the cloud for no more than its region.
pub(super) fn run(arguments: &EnvArguments, output: Output) -> Result<(), String> {
    let client = arguments.endpoint.client()?;
    let region = block_on(async { Ok(client.region(arguments.region.as_deref()).await) })?;
    let cloud = (client.endpoint(), region);
    let settings = settings(arguments, cloud, |name| std::env::var(name).ok());
    let document: Map<String, Value> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    output.show(&document.into(), || {
        let lines = settings.iter().map(|(name, value)| line(arguments.shell, name, value));
        lines.collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

/// The settings; a key that the shell has stands in none but a file's, which is read elsewhere.
fn settings(
    arguments: &EnvArguments,
    (endpoint, region): (String, String),
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<(&'static str, String)> {
    // haar's own commands go where the shell's clients go
    let mut settings = vec![("AWS_ENDPOINT_URL", endpoint.clone()), ("HAAR_ENDPOINT", endpoint)];
    let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let given = [&arguments.access_key_id, &arguments.secret_access_key];
    let set = names.map(|name| variable(name).filter(|value| !value.is_empty()));
    let keeps = given.iter().all(|given| given.is_none()) && set.iter().all(Option::is_some);
    for ((name, given), set) in names.into_iter().zip(given).zip(set) {
        match (keeps, arguments.shell) {
            (true, Shell::Sh | Shell::Fish) => {}
            (true, Shell::File) => settings.extend(set.map(|value| (name, value))),
            (false, _) => {
                settings.push((name, given.clone().unwrap_or_else(|| "test".to_owned())));
            }
        }
    }
    let token = variable("AWS_SESSION_TOKEN").filter(|token| !token.is_empty());
    match (keeps, arguments.shell, token) {
        (true, Shell::File, Some(token)) => settings.push(("AWS_SESSION_TOKEN", token)),
        (false, _, Some(_)) => settings.push(("AWS_SESSION_TOKEN", String::new())), // another key's
        _ => {}
    }
    settings.extend([
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region),
        // what some operations put before the host's name leads nowhere before an address
        ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true".to_owned()),
    ]);
    settings
}

fn line(shell: Shell, name: &str, value: &str) -> String {
    match shell {
        Shell::Sh => format!("export {name}={}", quoted(value)),
        Shell::Fish => format!("set -gx {name} {}", quoted(value)),
        Shell::File => format!("{name}={value}"),
    }
}

/// As one word of a shell.
fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:+=@".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_one_word_of_the_shell() {
        assert_eq!(line(Shell::Sh, "A", "http://127.0.0.1:4566"), "export A=http://127.0.0.1:4566");
        assert_eq!(line(Shell::Sh, "A", "a b'c"), r"export A='a b'\''c'");
        assert_eq!(line(Shell::Fish, "A", ""), "set -gx A ''");
    }

    #[test]
    fn keys_that_the_shell_has_are_kept_unless_others_are_given() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            arguments: EnvArguments,
        }
        let shown = |words: &[&str], set: Option<&str>| {
            let words = ["env"].iter().chain(words);
            let line = <Line as clap::Parser>::try_parse_from(words).unwrap();
            let cloud = ("http://h".to_owned(), "us-east-1".to_owned());
            let settings = settings(&line.arguments, cloud, |_| set.map(str::to_owned));
            let keys = settings.into_iter().filter(|(name, _)| name.contains("KEY"));
            keys.map(|(_, value)| value).collect::<Vec<_>>()
        };
        assert_eq!(shown(&[], None), ["test", "test"]);
        assert!(shown(&[], Some("own")).is_empty());
        assert_eq!(shown(&["--shell", "file"], Some("own")), ["own", "own"]);
        assert_eq!(
            shown(&["--access-key-id", "111122223333"], Some("own")),
            ["111122223333", "test"]
        );
    }
}
