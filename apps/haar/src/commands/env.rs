//! `haar env`: the exports that point AWS clients at the cloud.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::Output;
use super::client::EndpointArguments;

/// See [`run`].
#[derive(Args)]
pub(crate) struct EnvArguments {
    #[command(flatten)]
    endpoint: EndpointArguments,
    /// The access key id: any, or the 12 digits of an account.
    #[arg(long, default_value = "test")]
    access_key_id: String,
    /// The secret of that key; any, where the cloud lets everybody in.
    #[arg(long, default_value = "test")]
    secret_access_key: String,
    /// The region of clients.
    #[arg(long, default_value = haar_types::Region::DEFAULT)]
    region: String,
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

/// Prints the settings; talks to nobody.
pub(super) fn run(arguments: &EnvArguments, output: Output) -> Result<(), String> {
    let endpoint = arguments.endpoint.client()?.endpoint();
    let settings = settings(arguments, &endpoint);
    let document: Map<String, Value> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    output.show(&document.into(), || {
        let lines = settings.iter().map(|(name, value)| line(arguments.shell, name, value));
        lines.collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

fn settings<'a>(arguments: &'a EnvArguments, endpoint: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", &arguments.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &arguments.secret_access_key),
        ("AWS_REGION", &arguments.region),
        ("AWS_DEFAULT_REGION", &arguments.region),
    ]
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
}
