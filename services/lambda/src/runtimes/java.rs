//! How a Java virtual machine is started.

use haar_types::MemoryMib;

/// Shares of a function's memory, as AWS's runtimes give them.
const HEAP_PERCENT: u64 = 85;
const METASPACE_PERCENT: u64 = 10;
const CODE_CACHE_PERCENT: u64 = 5;

const JAR: &str = "-jar";

/// The arguments for a function of runtime `id` with so much memory.
/// AWS docs: *Customize Java runtime startup behavior for Lambda functions*.
pub(super) fn arguments(id: &str, memory: MemoryMib) -> Vec<String> {
    let share = |percent: u64| (memory.0 * 1024 * percent + 50) / 100;
    let mut arguments = vec![
        format!("-XX:MaxHeapSize={}k", share(HEAP_PERCENT)),
        format!("-XX:MaxMetaspaceSize={}k", share(METASPACE_PERCENT)),
        format!("-XX:ReservedCodeCacheSize={}k", share(CODE_CACHE_PERCENT)),
        "-XX:+UseSerialGC".to_owned(),
    ];
    if !matches!(id, "java8" | "java8.al2" | "java11") {
        arguments.push("-XX:+TieredCompilation".to_owned());
        arguments.push("-XX:TieredStopAtLevel=1".to_owned());
    }
    // it would write to /tmp, which is not there yet while it waits
    arguments.push("-XX:-UsePerfData".to_owned());
    arguments.push("-Djava.net.preferIPv4Stack=true".to_owned());
    arguments.push("-Dfile.encoding=UTF-8".to_owned());
    arguments.push("-Duser.dir=/var/task".to_owned());
    arguments.extend([JAR, "/var/runtime/bootstrap.jar"].map(str::to_owned));
    arguments
}

/// Has a function's `JAVA_TOOL_OPTIONS` win over [`arguments`]: the virtual machine reads them
/// itself, but before its command line. Agents are left to it: twice would be once too often.
pub(crate) fn take_options(argv: &mut Vec<String>, options: &str) {
    let at = argv.iter().position(|one| one == JAR).unwrap_or(argv.len());
    let flags = options.split_whitespace().filter(|option| option.starts_with("-X"));
    argv.splice(at..at, flags.map(str::to_owned)).for_each(drop);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shared_out_as_on_aws() {
        let arguments = arguments("java21", MemoryMib(512));
        for flag in [
            "-XX:MaxHeapSize=445645k",
            "-XX:MaxMetaspaceSize=52429k",
            "-XX:ReservedCodeCacheSize=26214k",
            "-XX:TieredStopAtLevel=1",
        ] {
            assert!(arguments.iter().any(|one| one == flag), "{flag}: {arguments:?}");
        }
    }

    #[test]
    fn older_runtimes_compile_as_the_virtual_machine_likes() {
        let arguments = arguments("java11", MemoryMib(512));
        assert!(!arguments.iter().any(|one| one.contains("TieredStopAtLevel")));
    }

    #[test]
    fn the_functions_own_options_come_last_but_for_agents() {
        let mut argv = vec!["/usr/bin/java".to_owned()];
        argv.extend(arguments("java21", MemoryMib(512)));
        take_options(&mut argv, "-javaagent:/opt/agent.jar -XX:TieredStopAtLevel=4  -Dmine=1");
        let at = |flag: &str| argv.iter().position(|one| one == flag);
        assert!(at("-XX:TieredStopAtLevel=4") > at("-XX:TieredStopAtLevel=1"));
        assert!(at("-XX:TieredStopAtLevel=4") < at("-jar"));
        assert_eq!(at("-javaagent:/opt/agent.jar"), None);
    }
}
