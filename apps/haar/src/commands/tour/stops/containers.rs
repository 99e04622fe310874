//! The stops about containers: an image, a task, a service that heals itself, a function.

use serde_json::Value;

use super::super::super::client::Client;
use super::super::Guide;
use super::super::archive;
use super::super::calls::containers::{self as calls, GROUP, NAME, TaskNetwork};
use super::super::calls::{Call, get_state, log_events};
use super::super::image;
use super::{expect, invoke, show, until, until_quietly};

/// All of them, or word of what is missing here; answers whether tasks ran.
pub(super) async fn all(guide: &Guide) -> Result<bool, String> {
    if !rustix::process::geteuid().is_root() {
        guide.stop("containers");
        guide.note("they need root here: `haar doctor` tells more. On we go without");
        return Ok(false);
    }
    let Some(images) = image::web(&guide.folder)? else {
        guide.stop("containers");
        guide.note("neither a C compiler nor /bin/busybox is here to make an image of");
        return Ok(false);
    };
    guide.stop("an image, made here and pushed to ECR");
    show(guide, &calls::create_repository(), NAME).await?;
    let token = token(guide).await?;
    for image in images {
        push(guide, image, &token).await?;
    }
    guide.stop("a task on Fargate");
    let network = network(guide).await?;
    task(guide, &network).await?;
    service(guide, &network).await?;
    super::pipelines::upload(guide, &network).await?;
    function(guide, &token).await?;
    Ok(true)
}

/// What `get-login-password` would print, as registry clients send it.
async fn token(guide: &Guide) -> Result<String, String> {
    let heard = guide.speaker.ask(&calls::authorization_token()).await?;
    let document: Value = serde_json::from_str(&heard.text).unwrap_or_default();
    let token = document["authorizationData"][0]["authorizationToken"].as_str();
    token.map(str::to_owned).ok_or_else(|| format!("no token in: {}", heard.text))
}

async fn push(guide: &Guide, image: image::TourImage, token: &str) -> Result<(), String> {
    let uri = uri(guide, image.tag);
    let digest = image.push(&guide.speaker.client, NAME, token, &guide.folder).await?;
    guide.note(&format!("pushed {uri} over the registry's HTTP API: {digest}"));
    Ok(())
}

/// `localhost:PORT/tour-web:TAG`.
fn uri(guide: &Guide, tag: &str) -> String {
    let endpoint = guide.speaker.client.endpoint();
    let port = endpoint.rsplit(':').next().unwrap_or_default();
    format!("localhost:{port}/{NAME}:{tag}")
}

/// A network of the tour's own: the default one may be in use by another cloud of this machine.
async fn network(guide: &Guide) -> Result<TaskNetwork, String> {
    let ask = async |call: Call, prefix: &str| {
        let heard = guide.speaker.ask(&call).await?;
        id(&heard.text, prefix)
    };
    let vpc = ask(calls::create_vpc(), "vpc-").await?;
    let subnet = ask(calls::create_subnet(&vpc), "subnet-").await?;
    let group = ask(calls::create_group(&vpc), "sg-").await?;
    guide.speaker.ask(&calls::open_port(&group)).await?;
    guide.note(&format!("made {vpc} with {subnet}, and {group}, which lets port 80 in"));
    Ok(TaskNetwork { subnet, group })
}

/// Makes a call, shows it, and answers what came of it.
async fn told(guide: &Guide, call: &Call) -> Result<String, String> {
    let heard = guide.speaker.say(call).await?;
    guide.command(&heard.said);
    guide.result(&heard.text);
    Ok(heard.text)
}

/// The id with this prefix in a text: 17 hexadecimal digits behind it.
fn id(text: &str, prefix: &str) -> Result<String, String> {
    let mut ids = text.match_indices(prefix).filter_map(|(at, _)| {
        let rest = &text[at..];
        let digits = rest[prefix.len()..].bytes().take_while(u8::is_ascii_hexdigit).count();
        (digits == 17).then(|| rest[..prefix.len() + digits].to_owned())
    });
    ids.next().ok_or_else(|| format!("no {prefix} in: {text}"))
}

/// Runs a task and reaches it on its own address.
async fn task(guide: &Guide, network: &TaskNetwork) -> Result<(), String> {
    show(guide, &calls::create_cluster(), "clusterArn").await?;
    show(guide, &calls::register(&uri(guide, "good")), NAME).await?;
    let begun = told(guide, &calls::run_task(network)).await?;
    let begun: Value = serde_json::from_str(&begun).unwrap_or_default();
    let arn = begun["tasks"][0]["taskArn"].as_str().unwrap_or_default().to_owned();
    let call = || calls::describe_task(&arn);
    let described = |text: &str| {
        let document: Value = serde_json::from_str(text).unwrap_or_default();
        document["tasks"][0].clone()
    };
    let arrived = |text: &str| {
        let task = described(text);
        ["RUNNING", "STOPPED"].iter().any(|status| task["lastStatus"] == *status)
    };
    let heard = until_quietly(guide, call, arrived, "the task does not run").await?;
    show(guide, &call(), "RUNNING").await?;
    let task = described(&heard);
    if task["lastStatus"] != "RUNNING" {
        return Err(format!("the task has stopped: {}", task["stoppedReason"]));
    }
    let interface = &task["containers"][0]["networkInterfaces"][0];
    let address = interface["privateIpv4Address"].as_str().unwrap_or_default();
    guide.command(&format!("curl http://{address}/"));
    let page = fetch(guide, address).await?;
    guide.result(&page);
    expect(&page, "hello from a container")?;

    let logged = |text: &str| text.contains("serving on port 80");
    until_quietly(guide, || log_events(GROUP), logged, "the task's log is empty").await?;
    show(guide, &log_events(GROUP), "serving on port 80").await?;
    show(guide, &calls::stop_task(&arn), "STOPPED").await
}

/// The program may take a moment to listen.
async fn fetch(guide: &Guide, address: &str) -> Result<String, String> {
    let client = Client::new(&format!("http://{address}:80"))?;
    let give_up_at = guide.clock.moment().after(super::SETTLE_MAX);
    loop {
        match client.send(http::Method::GET, "/", &[], Vec::new().into()).await {
            Ok(answer) => return Ok(answer.text()),
            Err(error) if guide.clock.moment() >= give_up_at => return Err(error),
            Err(_) => guide.clock.sleep(super::LOOK_EVERY).await,
        }
    }
}

/// Has a service, deploys what is broken, and sees it rolled back.
async fn service(guide: &Guide, network: &TaskNetwork) -> Result<(), String> {
    guide.stop("a service, and a deployment that the circuit breaker rolls back");
    show(guide, &calls::create_service(network), NAME).await?;
    let is_steady = |text: &str| text.contains("\"COMPLETED\"");
    until_quietly(guide, calls::describe_service, is_steady, "the service is not steady").await?;
    guide.note("it is steady; now with an image that breaks");
    show(guide, &calls::register(&uri(guide, "broken")), ":2").await?;
    show(guide, &calls::update_service(), ":2").await?;
    let back = |text: &str| text.contains("rolling back to deployment");
    until_quietly(guide, calls::describe_service, back, "nothing was rolled back").await?;
    show(guide, &calls::describe_service(), "rolling back to deployment").await
}

/// A function from an image.
async fn function(guide: &Guide, token: &str) -> Result<(), String> {
    const FUNCTION: &str = "hello-image";
    let Some(program) = archive::static_program(&guide.folder)? else {
        guide.note("no C compiler here: no function from an image");
        return Ok(());
    };
    guide.stop("a Lambda function from an image");
    push(guide, image::function(&program), token).await?;
    let call = calls::create_image_function(FUNCTION, &uri(guide, "function"));
    show(guide, &call, "\"Image\"").await?;
    let active = |text: &str| text.contains("\"Active\"");
    let call = || get_state(FUNCTION);
    until(guide, call, |heard| active(&heard.text), "the function is not active").await?;
    invoke(guide, FUNCTION, "cold").await?;
    invoke(guide, FUNCTION, "warm").await
}
