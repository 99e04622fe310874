//! Commands run in containers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)] // as tests do

mod house;

use std::time::Duration;

use futures_util::StreamExt;
use haar_substrate::{ExecSpec, RunAs, Substrate, SubstrateError, TerminalSize};
use house::{House, all, container};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_run_in_a_container_with_and_without_a_terminal() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("exec");
        let id = substrate.ensure(spec).await.unwrap().id;
        substrate.start(&id, container(&house, "main", "exec sleep 1000")).await.unwrap();

        let check = ExecSpec {
            env: vec![("B".into(), "b".into())],
            ..ExecSpec::new(&["sh", "-c", "echo $A $B; ps | grep -c '[s]leep 1000'; id -u; exit 3"])
        };
        let check = substrate.exec(&id, "main", check).await.unwrap();
        assert_eq!(all(check.output().unwrap()).await, "image b\n1\n0\n");
        assert_eq!(check.wait().await.unwrap().code, Some(3));

        let cat = ExecSpec { stdin: true, ..ExecSpec::new(&["cat"]) };
        let cat = substrate.exec(&id, "main", cat).await.unwrap();
        cat.write("in and out\n".into()).await.unwrap();
        cat.close_input().await;
        assert_eq!(all(cat.output().unwrap()).await, "in and out\n");
        assert_eq!(cat.wait().await.unwrap().code, Some(0));

        let size = TerminalSize { rows: 30, columns: 100 };
        let user = Some(RunAs::Named("web".into()));
        let shell = ExecSpec { terminal: Some(size), user, ..ExecSpec::new(&["sh"]) };
        let shell = substrate.exec(&id, "main", shell).await.unwrap();
        let mut output = shell.output().unwrap();
        shell.write("stty size; tty; id -u\n".into()).await.unwrap();
        let mut said = String::new();
        while !said.contains("101\r\n") {
            said.push_str(&String::from_utf8_lossy(&output.next().await.unwrap().bytes));
        }
        assert!(said.contains("30 100\r\n") && said.contains("/dev/pts/0\r\n"), "{said}");
        shell.resize(TerminalSize { rows: 40, columns: 120 });
        shell.write("stty size; exit 9\n".into()).await.unwrap();
        assert!(all(output).await.contains("40 120\r\n"));
        assert_eq!(shell.wait().await.unwrap().code, Some(9));

        let missing = substrate.exec(&id, "main", ExecSpec::new(&["no-such-program"])).await;
        assert!(matches!(missing, Err(SubstrateError::Refused { .. })));
        let sleeping = ExecSpec::new(&["sleep", "1234"]);
        let sleeping = substrate.exec(&id, "main", sleeping).await.unwrap();
        drop(sleeping);
        let gone =
            ExecSpec::new(&["sh", "-c", "while ps | grep -q '[s]leep 1234'; do sleep 0.01; done"]);
        let gone = substrate.exec(&id, "main", gone).await.unwrap();
        assert_eq!(gone.wait().await.unwrap().code, Some(0));
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

/// Runs while others do as they like.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(10);
    haar_clock::Clock::system().timeout(limit, what).await.expect("nobody is kept waiting")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_stops_whatever_comes_in_holds_up_nobody_else() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (hostile, _) = house.task("hostile");
        let hostile = substrate.ensure(hostile).await.unwrap().id;
        let script = "while :; do kill -STOP -1; done";
        substrate.start(&hostile, container(&house, "main", script)).await.unwrap();
        let (other, _) = house.task("other");
        let other = substrate.ensure(other).await.unwrap().id;
        substrate.start(&other, container(&house, "main", "exec sleep 1000")).await.unwrap();
        let stalled = async {
            let execs = (0..12).map(async |_| {
                let check = substrate.exec(&hostile, "main", ExecSpec::new(&["true"])).await;
                let Ok(check) = check else { return false };
                check.wait().await.is_ok()
            });
            futures_util::future::join_all(execs).await
        };
        let others = async {
            haar_clock::Clock::system().sleep(Duration::from_millis(300)).await;
            for round in 0..3 {
                let check = soon(substrate.exec(&other, "main", ExecSpec::new(&["true"]))).await;
                assert_eq!(soon(check.unwrap().wait()).await.unwrap().code, Some(0));
                let (third, _) = house.task(&format!("third-{round}"));
                let third = soon(substrate.ensure(third)).await.unwrap().id;
                let main = container(&house, "main", "exec sleep 1000");
                soon(substrate.start(&third, main)).await.unwrap();
                soon(substrate.stop(&third, "main", Duration::ZERO)).await.unwrap();
                soon(substrate.remove(&third, Duration::ZERO)).await.unwrap();
            }
            soon(substrate.remove(&hostile, Duration::ZERO)).await.unwrap();
        };
        // with their container they end, and say so
        soon(futures_util::future::join(stalled, others)).await;
        soon(substrate.remove(&other, Duration::ZERO)).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_in_a_busy_container_hold_up_nobody_else() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (mut busy, _) = house.task("busy");
        busy.limits.cpu = Some(haar_types::CpuUnits(128));
        let busy = substrate.ensure(busy).await.unwrap().id;
        let script = "n=0; while [ $n -lt 300 ]; do n=$((n+1)); (while :; do :; done) & done; wait";
        substrate.start(&busy, container(&house, "main", script)).await.unwrap();
        let (other, _) = house.task("other");
        let other = substrate.ensure(other).await.unwrap().id;
        substrate.start(&other, container(&house, "main", "exec sleep 1000")).await.unwrap();
        haar_clock::Clock::system().sleep(Duration::from_secs(2)).await;
        let stalled = async {
            let execs = (0..8).map(async |_| {
                if let Ok(check) = substrate.exec(&busy, "main", ExecSpec::new(&["true"])).await {
                    let _ = check.wait().await; // killed with its container, as a rule
                }
            });
            futures_util::future::join_all(execs).await
        };
        let others = async {
            haar_clock::Clock::system().sleep(Duration::from_millis(300)).await;
            soon(substrate.stop(&other, "main", Duration::ZERO)).await.unwrap();
            substrate.remove(&busy, Duration::ZERO).await.unwrap();
        };
        futures_util::future::join(stalled, others).await;
        substrate.remove(&other, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_for_which_there_is_no_room_harms_no_other() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (mut full, _) = house.task("full");
        full.limits.pids = Some(8);
        let full = substrate.ensure(full).await.unwrap().id;
        substrate.start(&full, container(&house, "main", "exec sleep 1000")).await.unwrap();
        let mut begun_count = 0;
        for _ in 0..6 {
            let execs = (0..16).map(async |_| {
                let exec = ExecSpec::new(&["sleep", "0.3"]);
                let begun = soon(substrate.exec(&full, "main", exec)).await.ok()?;
                Some(soon(begun.wait()).await.unwrap())
            });
            for exit in futures_util::future::join_all(execs).await.into_iter().flatten() {
                assert_eq!(exit.code, Some(0), "{exit:?}");
                begun_count += 1;
            }
        }
        assert!(begun_count > 6, "{begun_count}");
        substrate.remove(&full, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_beside_a_busy_container_hold_up_nobody_else() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (mut busy, _) = house.task("busy");
        busy.limits.cpu = Some(haar_types::CpuUnits(64));
        let busy = substrate.ensure(busy).await.unwrap().id;
        let script = "n=0; while [ $n -lt 200 ]; do n=$((n+1)); (while :; do :; done) & done; wait";
        substrate.start(&busy, container(&house, "main", script)).await.unwrap();
        haar_clock::Clock::system().sleep(Duration::from_secs(1)).await;
        let stalled = async {
            let starts = (0..8).map(async |number| {
                let beside = container(&house, &format!("beside-{number}"), "exec sleep 1000");
                let _ = substrate.start(&busy, beside).await; // its sandbox goes meanwhile
            });
            futures_util::future::join_all(starts).await
        };
        let others = async {
            haar_clock::Clock::system().sleep(Duration::from_millis(100)).await;
            let other = soon(substrate.ensure(house.task("other").0)).await.unwrap().id;
            let main = container(&house, "main", "exec sleep 1000");
            soon(substrate.start(&other, main)).await.unwrap();
            soon(substrate.stop(&other, "main", Duration::ZERO)).await.unwrap();
            soon(substrate.remove(&other, Duration::ZERO)).await.unwrap();
            soon(substrate.remove(&busy, Duration::ZERO)).await.unwrap();
        };
        soon(futures_util::future::join(stalled, others)).await;
    });
    house.until_nothing_is_left().await;
}
