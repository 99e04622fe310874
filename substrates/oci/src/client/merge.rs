//! An image's wishes with a container's laid over them, by Docker's rules.

use haar_images::Bundle;
use haar_substrate::{ContainerSpec, ImageConfig, SubstrateError};

use crate::proto::FromImage;

/// Where programs are looked for when neither image nor container says.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the helper is told of an image.
pub(super) fn merge(
    spec: &ContainerSpec,
    hostname: &str,
    bundle: &Bundle,
) -> Result<FromImage, SubstrateError> {
    let config = &bundle.image.config;
    let argv = argv(spec, config);
    let stop = spec.stop.signal.as_deref().unwrap_or(&config.stop_signal);
    let stop_signal = signal(stop).ok_or_else(|| SubstrateError::Refused {
        program: stop.to_owned(),
        reason: "unknown signal".to_owned(),
    })?;
    let cwd = match (spec.cwd.as_str(), config.cwd.as_str()) {
        ("", "") => "/",
        ("", image) => image,
        (own, _) => own,
    };
    // images may name it relative to their root
    let cwd = format!("/{}", cwd.trim_start_matches('/').trim_end_matches('/'));
    let layers = bundle.layers.clone();
    let env = environment(spec, config, hostname);
    let volumes = config.volumes.iter().filter_map(|path| plain(path)).collect();
    Ok(FromImage { layers, argv, env, cwd, user: config.user.clone(), stop_signal, volumes })
}

/// An absolute path without detours; `None` where it has some, or is the root.
fn plain(path: &str) -> Option<String> {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let is_fine = !parts.is_empty() && !parts.contains(&"..");
    is_fine.then(|| format!("/{}", parts.join("/")))
}

fn argv(spec: &ContainerSpec, config: &ImageConfig) -> Vec<String> {
    let entrypoint = spec.entrypoint.as_ref().unwrap_or(&config.entrypoint);
    let command = match (spec.argv.as_slice(), &spec.entrypoint) {
        // another entry point has no use for the image's command
        ([], Some(_)) => [].as_slice(),
        ([], None) => &config.cmd,
        (own, _) => own,
    };
    entrypoint.iter().chain(command).cloned().collect()
}

fn environment(
    spec: &ContainerSpec,
    config: &ImageConfig,
    hostname: &str,
) -> Vec<(String, String)> {
    let mut env = vec![
        ("PATH".to_owned(), PATH_DEFAULT.to_owned()),
        ("HOSTNAME".to_owned(), hostname.to_owned()),
    ];
    if spec.terminal {
        env.push(("TERM".to_owned(), "xterm".to_owned()));
    }
    for (name, value) in config.env.iter().chain(&spec.env) {
        match env.iter_mut().find(|(known, _)| known == name) {
            Some(pair) => pair.1.clone_from(value),
            None => env.push((name.clone(), value.clone())),
        }
    }
    env
}

/// A signal by name or number; empty is `SIGTERM`.
fn signal(name: &str) -> Option<i32> {
    const NAMES: [(&str, i32); 16] = [
        ("TERM", libc::SIGTERM),
        ("INT", libc::SIGINT),
        ("QUIT", libc::SIGQUIT),
        ("KILL", libc::SIGKILL),
        ("HUP", libc::SIGHUP),
        ("USR1", libc::SIGUSR1),
        ("USR2", libc::SIGUSR2),
        ("WINCH", libc::SIGWINCH),
        ("ABRT", libc::SIGABRT),
        ("ALRM", libc::SIGALRM),
        ("CONT", libc::SIGCONT),
        ("STOP", libc::SIGSTOP),
        ("TSTP", libc::SIGTSTP),
        ("PIPE", libc::SIGPIPE),
        ("PWR", libc::SIGPWR),
        ("RTMIN+3", 37),
    ];
    if name.is_empty() {
        return Some(libc::SIGTERM);
    }
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = NAMES.iter().find(|(known, _)| *known == short).map(|(_, number)| *number);
    known.or_else(|| short.parse().ok().filter(|number| (1..=64).contains(number)))
}

#[cfg(test)]
mod tests {
    use haar_substrate::{ImageId, Root};

    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn entry_points_and_commands_replace_each_other_as_dockers_do() {
        let config = ImageConfig {
            entrypoint: words(&["/entry"]),
            cmd: words(&["serve"]),
            ..ImageConfig::default()
        };
        let spec = ContainerSpec::new("web", Root::Image(ImageId("sha256:0".into())));
        assert_eq!(argv(&spec, &config), ["/entry", "serve"]);
        let command = ContainerSpec { argv: words(&["check"]), ..spec.clone() };
        assert_eq!(argv(&command, &config), ["/entry", "check"]);
        let entrypoint = ContainerSpec { entrypoint: Some(words(&["sh"])), ..spec.clone() };
        assert_eq!(argv(&entrypoint, &config), ["sh"]);
        let both = ContainerSpec { argv: words(&["-c"]), ..entrypoint };
        assert_eq!(argv(&both, &config), ["sh", "-c"]);
        let none = ContainerSpec { entrypoint: Some(Vec::new()), ..spec };
        assert_eq!(argv(&none, &config), [""; 0]);
    }

    #[test]
    fn signals_have_names_and_numbers() {
        assert_eq!([signal(""), signal("SIGINT"), signal("quit")], [Some(15), Some(2), Some(3)]);
        assert_eq!([signal("9"), signal("SIGNONE"), signal("99")], [Some(9), None, None]);
    }
}
