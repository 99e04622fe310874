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
