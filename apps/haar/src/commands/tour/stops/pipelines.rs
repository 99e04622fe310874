//! The stops about events: something happens, and code runs.

use serde_json::{Value, json};

use super::super::super::clock;
use super::super::Guide;
use super::super::archive::{self, Input};
use super::super::calls::containers::{TaskNetwork, stop_task};
use super::super::calls::pipelines::{self as calls, INBOX, PICTURES, TABLE, THUMBNAILS};
use super::super::calls::{Call, get_state};
use super::super::layer;
use super::{MINUTE_MAX, expect, show, until_quietly, until_within};

/// The picture that is made small.
const PICTURE: &[u8] = include_bytes!("../inputs/haar.jpg");
/// The rule that calls a function each minute.
const EACH_MINUTE: &str = "tour-each-minute";
/// The rule that starts a task.
const UPLOADS: &str = "tour-uploads";

/// Has a function called each minute from now on; [`clock`] looks for it later.
pub(super) async fn set_clock(guide: &Guide) -> Result<(), String> {
    guide.stop("a function that a rule calls each minute");
    show(guide, &calls::create_table(), TABLE).await?;
    create(guide, &archive::bundle("tick", archive::TICK)?, None).await?;
    show(guide, &calls::put_schedule_rule(EACH_MINUTE, "rate(1 minute)"), EACH_MINUTE).await?;
    show(guide, &calls::permit("tick", "events"), "events.amazonaws.com").await?;
    show(guide, &calls::target_function(EACH_MINUTE, "tick"), "FailedEntryCount").await?;
    guide.note("that minute passes while the tour goes on");
    Ok(())
}

/// Shows that the rule has called.
pub(super) async fn clock(guide: &Guide) -> Result<(), String> {
    guide.stop("the minute has passed");
    let ticked = |text: &str| text.contains("\"tick ");
    until_within(guide, calls::scan, ticked, MINUTE_MAX, "the rule has not called").await?;
    show(guide, &calls::scan(), "\"tick ").await
}

/// Shows that a moved clock has the rule call for each minute that it passes.
pub(super) async fn moved_clock(guide: &Guide) -> Result<(), String> {
    guide.stop("five more minutes, in a moment: the rule calls for each");
    let (before, begun) = (ticks(guide).await?, guide.clock.moment());
    guide.command("haar clock --advance 5m");
    let page = clock::move_on(&guide.speaker.client, &json!({ "advance": "5m" })).await?;
    guide.result(&clock::told(&page));
    let ticked = |text: &str| count(text) >= before + 5;
    until_quietly(guide, calls::scan, ticked, "a minute lacks its call").await?;
    show(guide, &calls::scan(), "\"tick ").await?;
    let seconds = guide.clock.moment().since(begun).as_secs_f32();
    guide.note(&format!("five minutes in {seconds:.1} s; functions' own time limits stay real"));
    Ok(())
}

/// How often the rule has called.
async fn ticks(guide: &Guide) -> Result<usize, String> {
    Ok(count(&guide.speaker.ask(&calls::scan()).await?.text))
}

fn count(rows: &str) -> usize {
    rows.matches("\"tick ").count()
}

/// A picture lands in a bucket.
pub(super) async fn thumbnail(guide: &Guide) -> Result<(), String> {
    guide.stop("a picture lands in a bucket, a function makes it small");
    let layer = pillow(guide).await?;
    create(guide, &archive::bundle("thumbnail", archive::THUMBNAIL)?, layer.as_deref()).await?;
    for bucket in [PICTURES, THUMBNAILS] {
        show(guide, &calls::create_bucket(bucket), "").await?;
    }
    show(guide, &calls::permit("thumbnail", "s3"), "s3.amazonaws.com").await?;
    show(guide, &calls::notify_function(PICTURES, "thumbnail"), "").await?;
    show(guide, &calls::put_object(PICTURES, "haar.jpg", PICTURE), "").await?;
    let written = |text: &str| text.contains("\"haar.jpg\"");
    until_quietly(guide, calls::scan, written, "the picture has no row").await?;
    show(guide, &calls::scan(), "\"width\"").await?;
    show(guide, &calls::list_objects(THUMBNAILS), "haar.jpg").await
}

/// Pillow as a layer, where it can be had.
async fn pillow(guide: &Guide) -> Result<Option<String>, String> {
    let zip = match guide.interpreter(archive::PYTHON_RUNTIME) {
        Some(python) => layer::pillow(&python, &guide.folder, &guide.clock).await,
        None => None,
    };
    let Some(zip) = zip else {
        guide.note("no Pillow to be had here: the function reads the JPEG with Python alone");
        return Ok(None);
    };
    let heard = guide.speaker.say(&calls::publish_layer(&zip)).await?;
    guide.command(&heard.said);
    let document: Value = serde_json::from_str(&heard.text).unwrap_or_default();
    let arn = document["LayerVersionArn"].as_str().ok_or("the layer has no ARN")?;
    guide.result(arn);
    Ok(Some(arn.to_owned()))
}

/// Orders come by a queue; one that cannot be read ends among the dead letters.
pub(super) async fn queue(guide: &Guide) -> Result<(), String> {
    guide.stop("orders from a queue go to a table; a poison message to the dead letters");
    create(guide, &archive::bundle("orders", archive::ORDERS)?, None).await?;
    let dead = create_queue(guide, &calls::create_queue("tour-dead-letters", None)).await?;
    let queue =
        create_queue(guide, &calls::create_queue("tour-orders", Some("tour-dead-letters"))).await?;
    show(guide, &calls::map_queue("orders", "tour-orders"), "tour-orders").await?;
    show(guide, &calls::send_message(&queue, r#"{"id": "order 1", "amount": 12}"#), "Id").await?;
    show(guide, &calls::send_message(&queue, "poison"), "Id").await?;
    let written = |text: &str| text.contains("\"order 1\"");
    until_quietly(guide, calls::scan, written, "the order is not in the table").await?;
    show(guide, &calls::scan(), "\"order 1\"").await?;
    guide.note("the poison message is tried twice, ten seconds apart");
    let heard = guide.speaker.say(&calls::receive_message(&dead)).await?;
    let heard = match heard.text.contains("poison") {
        true => heard,
        false => guide.speaker.say(&calls::receive_message(&dead)).await?,
    };
    guide.command(&heard.said);
    guide.result(&heard.text);
    expect(&heard.text, "poison")
}

async fn create_queue(guide: &Guide, call: &Call) -> Result<String, String> {
    let heard = guide.speaker.say(call).await?;
    guide.command(&heard.said);
    guide.result(&heard.text);
    let document: Value = serde_json::from_str(&heard.text).unwrap_or_default();
    let url = document["QueueUrl"].as_str().ok_or("the queue has no URL")?;
    Ok(url.to_owned())
}

/// An upload starts a task.
pub(super) async fn upload(guide: &Guide, network: &TaskNetwork) -> Result<(), String> {
    guide.stop("an upload starts a task on Fargate");
    show(guide, &calls::create_bucket(INBOX), "").await?;
    show(guide, &calls::notify_bus(INBOX), "").await?;
    show(guide, &calls::put_upload_rule(UPLOADS, INBOX), UPLOADS).await?;
    show(guide, &calls::target_task(UPLOADS, network), "FailedEntryCount").await?;
    show(guide, &calls::put_object(INBOX, "work.txt", b"to be done"), "").await?;
    let started_by = format!("events-rule/{UPLOADS}");
    let call = || calls::list_tasks(&started_by);
    let started = |text: &str| text.contains(":task/");
    let tasks = until_quietly(guide, call, started, "no task was started").await?;
    show(guide, &call(), ":task/").await?;
    let document: Value = serde_json::from_str(&tasks).unwrap_or_default();
    let arn = document["taskArns"][0].as_str().unwrap_or_default();
    show(guide, &stop_task(arn), "STOPPED").await
}

/// Creates a function and waits for it.
async fn create(guide: &Guide, input: &Input, layer: Option<&str>) -> Result<(), String> {
    show(guide, &calls::create_function(input, layer), input.name).await?;
    let active = |text: &str| text.contains("\"Active\"");
    until_quietly(guide, || get_state(input.name), active, "the function is not active").await?;
    Ok(())
}
