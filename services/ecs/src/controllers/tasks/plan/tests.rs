use haar_ecs_contract::model::{
    AwsVpcConfiguration, ContainerCondition, ContainerDependency, ContainerRestartPolicy,
    TaskOverride,
};
use haar_types::{AccountId, Region, Tags};

use super::*;
use crate::state::{ClusterKey, DefinitionKey, Stop, TaskKey, TaskTimes};

const NOW: Timestamp = Timestamp(1_000_000);

/// By a clock that is not moved.
fn plan(task: &TaskRow, containers: &[ContainerDefinition], now: Timestamp) -> Plan<Step> {
    super::plan(task, containers, Now::new(now, &|at| at))
}

#[test]
fn a_clock_that_is_moved_shortens_no_start_and_lengthens_no_run() {
    let hours = Duration::from_secs(5 * 3600);
    let moved = move |at: Timestamp| if at > NOW { (at - hours).max(NOW) } else { at };
    let now = Now::new(NOW + hours + Duration::from_secs(60), &moved);
    let pending = task(TaskStatus::Provisioning, vec![container("web", TaskStatus::Pending)]);
    let found = super::plan(&pending, &[definition("web")], now);
    assert_eq!(found.steps, [Step::Launch(pending.key.clone())]);

    let mut ended = container("web", TaskStatus::Stopped);
    ended.finished_at = Some(now.at);
    let policy = ContainerRestartPolicy { enabled: true, ..Default::default() };
    let definition = ContainerDefinition { restart_policy: Some(policy), ..definition("web") };
    assert!(!restarts(&definition, &ended, now), "it ran for a minute");
    assert!(restarts(&definition, &ended, Now::new(now.at, &|at| at)));
}

fn container(name: &str, status: TaskStatus) -> TaskContainer {
    TaskContainer {
        name: name.to_owned(),
        id: String::new(),
        last_status: status,
        image_digest: None,
        image_id: None,
        attempt: 0,
        started_at: (status > TaskStatus::Pending).then_some(NOW),
        finished_at: (status == TaskStatus::Stopped).then_some(NOW),
        exit_code: None,
        reason: None,
        health: None,
    }
}

fn task(last_status: TaskStatus, containers: Vec<TaskContainer>) -> TaskRow {
    let (account, region) = (AccountId::default(), Region::default());
    let cluster = ClusterKey::new(&account, &region, "default");
    TaskRow {
        key: TaskKey::new(&cluster, "abc"),
        definition: DefinitionKey::new(&account, &region, "web", 1),
        group: String::new(),
        started_by: None,
        service: None,
        capacity_provider: None,
        platform_version: String::new(),
        overrides: TaskOverride::default(),
        network: AwsVpcConfiguration::default(),
        enable_execute_command: false,
        ephemeral_gib: 20,
        blocks_on_logs: false,
        tags: Tags::new(),
        created_at: NOW,
        must_stop: false,
        stop: None,
        protected_until: None,
        last_status,
        version: 1,
        attachment_id: String::new(),
        interface: None,
        is_made: last_status > TaskStatus::Provisioning,
        containers,
        times: TaskTimes::default(),
        is_judged: false,
    }
}

fn definition(name: &str) -> ContainerDefinition {
    ContainerDefinition { name: Some(name.to_owned()), ..Default::default() }
}

#[test]
fn a_new_task_is_launched() {
    let task = task(TaskStatus::Provisioning, vec![container("web", TaskStatus::Pending)]);
    let key = task.key.clone();
    let found = plan(&task, &[definition("web")], NOW);
    assert_eq!(found.steps, [Step::Launch(key)]);
}

#[test]
fn a_task_that_must_stop_is_taken_down_in_order_from_wherever_it_is() {
    let mut task = task(TaskStatus::Running, vec![container("web", TaskStatus::Running)]);
    task.must_stop = true;
    let key = task.key.clone();
    let found = plan(&task, &[definition("web")], NOW);
    let record = Step::Record(key.clone(), TaskStatus::Stopping);
    assert_eq!(found.steps, [record, Step::Halt(key.clone())]);
    task.last_status = TaskStatus::Provisioning;
    let found = plan(&task, &[definition("web")], NOW);
    let record = Step::Record(key.clone(), TaskStatus::Deprovisioning);
    assert_eq!(found.steps, [record, Step::Release(key)]);
}

#[test]
fn an_essential_containers_exit_ends_the_task_another_does_not() {
    let stopped = container("web", TaskStatus::Stopped);
    let task = task(TaskStatus::Running, vec![stopped]);
    let found = plan(&task, &[definition("web")], NOW);
    let code = TaskStopCode::EssentialContainerExited;
    let reason = "Essential container in task exited".to_owned();
    assert_eq!(found.steps, [Step::GiveUp(task.key.clone(), code, reason)]);
    let mut concluded = task.clone();
    conclude(&mut concluded, &[definition("web")], Now::new(NOW, &|at| at));
    assert_eq!(concluded.last_status, TaskStatus::Stopping);
    assert_eq!(concluded.stop.map(|stop| stop.code), Some(code));
    let sidecar = ContainerDefinition { essential: Some(false), ..definition("web") };
    assert!(plan(&task, std::slice::from_ref(&sidecar), NOW).steps.is_empty());
    let mut concluded = task.clone();
    conclude(&mut concluded, &[sidecar], Now::new(NOW, &|at| at));
    assert_eq!(concluded, task);
}

#[test]
fn a_restart_policy_restarts_what_has_run_for_long_enough() {
    let policy = |ignored: Vec<i32>| ContainerDefinition {
        restart_policy: Some(ContainerRestartPolicy {
            enabled: true,
            ignored_exit_codes: Some(ignored),
            restart_attempt_period: Some(60),
        }),
        ..definition("web")
    };
    let mut stopped = container("web", TaskStatus::Stopped);
    stopped.exit_code = Some(1);
    stopped.finished_at = Some(NOW + Duration::from_secs(61));
    let mut task = task(TaskStatus::Running, vec![stopped]);
    let start = Step::Start(task.key.clone(), vec!["web".to_owned()]);
    assert_eq!(plan(&task, &[policy(vec![])], NOW).steps, [start]);
    let given_up = |task: &TaskRow, ignored| {
        let steps = plan(task, &[policy(ignored)], NOW).steps;
        matches!(steps.as_slice(), [Step::GiveUp(..)])
    };
    assert!(given_up(&task, vec![1]));
    task.containers[0].finished_at = Some(NOW + Duration::from_secs(59));
    assert!(given_up(&task, vec![]));
}

#[test]
fn a_container_waits_for_another_until_its_start_timeout() {
    let waits = ContainerDefinition {
        depends_on: Some(vec![ContainerDependency {
            container_name: "init".to_owned(),
            condition: ContainerCondition::Complete,
        }]),
        ..definition("web")
    };
    let init = ContainerDefinition {
        start_timeout: Some(30),
        essential: Some(false),
        ..definition("init")
    };
    let containers =
        vec![container("init", TaskStatus::Running), container("web", TaskStatus::Pending)];
    let task = task(TaskStatus::Pending, containers);
    let deadline = NOW + Duration::from_secs(30);
    let definitions = [init, waits];
    let found = plan(&task, &definitions, NOW);
    assert_eq!((found.steps.len(), found.wake_at), (0, Some(deadline)));
    let late = plan(&task, &definitions, deadline);
    assert!(matches!(
        late.steps.as_slice(),
        [Step::GiveUp(_, TaskStopCode::TaskFailedToStart, reason)] if reason.contains("timed out")
    ));
}

#[test]
fn a_pending_task_is_given_up_after_a_while_and_a_stopped_one_forgotten() {
    let pending = task(TaskStatus::Pending, vec![container("web", TaskStatus::Pending)]);
    let late = plan(&pending, &[definition("web")], NOW + PENDING_MAX);
    assert!(matches!(late.steps.as_slice(), [Step::GiveUp(..)]));
    let mut stopped = task(TaskStatus::Stopped, vec![container("web", TaskStatus::Stopped)]);
    stopped.times.stopped_at = Some(NOW);
    assert_eq!(plan(&stopped, &[], NOW).wake_at, Some(NOW + KEPT));
    let forget = Step::Forget(stopped.key.clone());
    assert_eq!(plan(&stopped, &[], NOW + KEPT).steps, [forget]);
}

#[test]
fn rows_judge_their_transitions() {
    use haar_ledger::Row as _;
    let running = task(TaskStatus::Running, vec![container("web", TaskStatus::Running)]);
    let pending = TaskRow { last_status: TaskStatus::Pending, ..running.clone() };
    assert!(TaskRow::check(Some(&running), &pending).is_err());
    assert!(TaskRow::check(Some(&pending), &running).is_ok());
    let code = TaskStopCode::UserInitiated;
    let asked = TaskRow {
        must_stop: true,
        stop: Some(Stop { code, reason: "enough".to_owned() }),
        ..running.clone()
    };
    assert!(TaskRow::check(Some(&asked), &running).is_err());
    let stopped = TaskRow { last_status: TaskStatus::Stopped, ..asked };
    assert!(TaskRow::check(None, &stopped).is_ok());
    assert!(TaskRow::check(Some(&running), &stopped).is_err());
}
