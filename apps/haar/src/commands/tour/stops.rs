//! What the tour shows, in order.

mod containers;
mod pipelines;

use std::time::Duration;

use http::Method;

use super::Guide;
use super::archive::{self, Input};
use super::calls::{self, Call};
use super::speaker::Heard;

/// Longest wait for something that happens in the background.
const SETTLE_MAX: Duration = Duration::from_secs(30);
/// Longest wait for a rule that calls each minute.
const MINUTE_MAX: Duration = Duration::from_secs(100);
/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// All stops.
pub(super) async fn all(guide: &mut Guide) -> Result<(), String> {
    guide.stop("a cloud of your own");
    let health = guide.speaker.client.page(Method::GET, "/_haar/health").await?;
    guide.note(&format!(
        "{}; calls go by {}",
        guide.speaker.client.endpoint(),
        guide.speaker.name()
    ));
    let services = health["services"].as_object().map(|all| all.keys().cloned().collect());
    guide.note(&format!("it serves {}", services.unwrap_or_else(Vec::new).join(", ")));

    guide.stop("who am I, and a role for functions");
    show(guide, &calls::caller_identity(), "000000000000").await?;
    show(guide, &calls::create_role(), "role/tour").await?;

    let mut functions = vec![archive::python()?];
    if guide.runs("nodejs") {
        functions.push(archive::node()?);
    } else {
        guide.note("node is not installed here: no Node function");
    }
    match archive::provided(&guide.folder)? {
        Some(input) => functions.push(input),
        None => guide.note("no C compiler here: no static function"),
    }
    for input in &functions {
        function(guide, input).await?;
    }
    for input in &functions {
        traces(guide, input).await?;
    }
    pipelines::set_clock(guide).await?;
    pipelines::thumbnail(guide).await?;
    pipelines::queue(guide).await?;
    let ran_tasks = containers::all(guide).await?;
    pipelines::clock(guide).await?;
    pipelines::moved_clock(guide).await?;
    cost(guide, ran_tasks).await
}

/// Creates a function, waits for it, invokes it cold and warm.
async fn function(guide: &Guide, input: &Input) -> Result<(), String> {
    guide.stop(&format!("a function on {}", input.runtime));
    show(guide, &calls::create_function(input), input.name).await?;
    let active = |heard: &Heard| heard.text.contains("\"Active\"");
    until(guide, || calls::get_state(input.name), active, "the function is not active").await?;

    for temperature in ["cold", "warm"] {
        invoke(guide, input.name, temperature).await?;
    }
    Ok(())
}

/// Invokes a function that greets.
async fn invoke(guide: &Guide, name: &str, temperature: &str) -> Result<(), String> {
    let call = calls::invoke(name, r#"{"name": "world"}"#);
    let heard = guide.speaker.say(&call).await?;
    guide.note(&format!("a {temperature} invocation"));
    guide.command(&heard.said);
    guide.result(&heard.payload);
    guide.result(&heard.log_tail);
    for expected in ["hello", "world"] {
        expect(&heard.payload, expected)?;
    }
    expect(&heard.log_tail, "REPORT RequestId")
}

/// Shows what an invoked function left in CloudWatch Logs and CloudWatch.
async fn traces(guide: &Guide, input: &Input) -> Result<(), String> {
    guide.stop(&format!("what {} left: log and metrics", input.name));
    let logged = |heard: &Heard| heard.text.matches("REPORT RequestId").count() >= 2;
    let group = format!("/aws/lambda/{}", input.name);
    let call = || calls::log_events(&group);
    let heard = until(guide, call, logged, "the log lacks an invocation").await?;
    guide.command(&heard.said);
    guide.result(&heard.text);

    let now = guide.clock.now();
    let (from, to) = (now - Duration::from_secs(3600), now + Duration::from_secs(3600));
    let (from, to) = (from.strftime("%FT%TZ"), to.strftime("%FT%TZ"));
    let counted = |heard: &Heard| heard.text.contains("Sum");
    let call = || calls::invocations(input.name, &from, &to);
    let heard = until(guide, call, counted, "no metric was counted").await?;
    guide.command(&heard.said);
    guide.result(&heard.text);
    Ok(())
}

async fn cost(guide: &Guide, ran_tasks: bool) -> Result<(), String> {
    guide.stop("what AWS would have charged");
    guide.command("haar cost");
    let give_up_at = guide.clock.moment().after(SETTLE_MAX);
    let bill = loop {
        let bill = guide.speaker.client.page(Method::GET, "/_haar/cost").await?;
        let has_tasks = bill["accounts"][0]["tasks"].as_array().is_some_and(|all| !all.is_empty());
        if has_tasks == ran_tasks || guide.clock.moment() >= give_up_at {
            break bill;
        }
        guide.clock.sleep(LOOK_EVERY).await; // metering records are written together
    };
    guide.result(&haar_cost::bill_text(&bill));
    Ok(())
}

/// Makes a call, shows it, and expects a word in its answer.
async fn show(guide: &Guide, call: &Call, expected: &str) -> Result<(), String> {
    let heard = guide.speaker.say(call).await?;
    guide.command(&heard.said);
    guide.result(&heard.text);
    expect(&heard.text, expected)
}

fn expect(text: &str, expected: &str) -> Result<(), String> {
    match text.contains(expected) {
        true => Ok(()),
        false => Err(format!("expected {expected:?} in: {text}")),
    }
}

/// Repeats a call until its answer is as wished.
async fn until(
    guide: &Guide,
    call: impl Fn() -> Call,
    wished: impl Fn(&Heard) -> bool,
    complaint: &str,
) -> Result<Heard, String> {
    let give_up_at = guide.clock.moment().after(SETTLE_MAX);
    loop {
        let heard = guide.speaker.say(&call()).await?;
        if wished(&heard) {
            return Ok(heard);
        }
        if guide.clock.moment() >= give_up_at {
            return Err(format!("{complaint}: {}", heard.text));
        }
        guide.clock.sleep(LOOK_EVERY).await;
    }
}

/// The same by plain HTTP, whatever shows the calls: the aws CLI takes its time to start.
async fn until_quietly(
    guide: &Guide,
    call: impl Fn() -> Call,
    wished: impl Fn(&str) -> bool,
    complaint: &str,
) -> Result<String, String> {
    until_within(guide, call, wished, SETTLE_MAX, complaint).await
}

/// The same, for so long at most.
async fn until_within(
    guide: &Guide,
    call: impl Fn() -> Call,
    wished: impl Fn(&str) -> bool,
    longest: Duration,
    complaint: &str,
) -> Result<String, String> {
    let give_up_at = guide.clock.moment().after(longest);
    loop {
        let heard = guide.speaker.ask(&call()).await?;
        if wished(&heard.text) {
            return Ok(heard.text);
        }
        if guide.clock.moment() >= give_up_at {
            return Err(format!("{complaint}: {}", heard.text));
        }
        guide.clock.sleep(LOOK_EVERY).await;
    }
}
