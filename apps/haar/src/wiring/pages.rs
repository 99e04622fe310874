//! haar's own pages beside health and metrics.

use std::sync::Arc;

use haar_controller::DriverHandle;
use haar_cost::{bill_json, month_of};
use haar_gateway::{AdminFault, AdminPage, AdminQuestion};
use haar_kernel::{Auth, Doors};
use haar_registry::ImageName;
use haar_substrate::{Image, ImageError};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::rooms::Rooms;
use super::time::CloudTime;

/// All pages.
pub(crate) fn all(
    doors: &Doors,
    rooms: &Arc<Rooms>,
    driver: &DriverHandle,
    time: &Arc<CloudTime>,
) -> Vec<AdminPage> {
    let mut pages = vec![cost(doors, rooms), state(doors, driver), images(doors), outbox(rooms)];
    pages.push(clock(time));
    if doors.settings.auth == Auth::Permissive {
        pages.push(import(doors));
        pages.push(remove_image(doors));
        pages.push(stop_sms(doors, rooms));
        pages.push(reset(rooms, time));
        pages.push(move_clock(time));
    } else {
        let why = "images are brought in from this machine's disk without `--auth enforce` only: \
                   nobody signs these requests. Push the image to a repository instead";
        pages.push(forbidden(Method::POST, "images", why));
        let why = "images are removed without `--auth enforce` only: nobody signs these requests";
        pages.push(forbidden(Method::DELETE, "images", why));
        let why = "a cloud with `--auth enforce` is not reset by its pages";
        pages.push(forbidden(Method::POST, "reset", why));
        let why = "a cloud with `--auth enforce` does not move its clock";
        pages.push(forbidden(Method::POST, "clock", why));
    }
    pages
}

/// `GET /_haar/cost?month=2026-11`: the bill.
fn cost(doors: &Doors, rooms: &Arc<Rooms>) -> AdminPage {
    let (clock, rooms) = (doors.clock.clone(), Arc::clone(rooms));
    page(Method::GET, "cost", move |query| {
        let named = query.split('&').find_map(|field| field.strip_prefix("month="));
        let month = named.map_or_else(|| month_of(clock.now()), str::to_owned);
        bill_json(&rooms.meter, &month).map_err(|error| error.to_string())
    })
}

/// `GET /_haar/state`: rows, commits and controllers.
fn state(doors: &Doors, driver: &DriverHandle) -> AdminPage {
    let (ledger, driver) = (doors.ledger.clone(), driver.clone());
    page(Method::GET, "state", move |_| {
        let stats = ledger.stats();
        let controllers: Vec<Value> = driver
            .stats()
            .into_iter()
            .map(|stats| {
                json!({
                    "name": stats.name, "queued": stats.queued, "inFlight": stats.in_flight,
                    "quarantined": stats.quarantined, "rounds": stats.rounds,
                    "failures": stats.failures,
                })
            })
            .collect();
        let rows: serde_json::Map<String, Value> = ledger
            .snapshot()
            .row_counts()
            .into_iter()
            .map(|(table, count)| (table.to_owned(), json!(count)))
            .collect();
        Ok(json!({
            "healthy": stats.healthy, "commits": stats.commits, "flushes": stats.flushes,
            "rows": rows, "controllers": controllers,
        }))
    })
}

/// `GET /_haar/outbox?max=100`: email, SMS and mobile push that topics sent, the newest first.
fn outbox(rooms: &Arc<Rooms>) -> AdminPage {
    let rooms = Arc::clone(rooms);
    page(Method::GET, "outbox", move |query| {
        let named = field(query, "max").and_then(|max| max.parse().ok());
        let messages = rooms.sns.outbox(named.unwrap_or(100)).map_err(|error| error.to_string())?;
        Ok(json!({ "messages": messages }))
    })
}

/// `POST /_haar/sms-stop?number=491234567`: that number wants no more messages, as if it had
/// answered `STOP`; `account` and `region` say whose, if not the usual ones.
fn stop_sms(doors: &Doors, rooms: &Arc<Rooms>) -> AdminPage {
    let (settings, rooms) = (Arc::clone(&doors.settings), Arc::clone(rooms));
    let answer = move |AdminQuestion { query, .. }| {
        let (settings, rooms) = (Arc::clone(&settings), Arc::clone(&rooms));
        Box::pin(async move {
            let number = field(&query, "number").ok_or("no number")?;
            let number = format!("+{}", number.trim_start_matches("%2B").trim_start_matches('+'));
            let account = field(&query, "account").map(str::parse).transpose()?;
            let region = field(&query, "region").map(str::parse).transpose()?;
            let account = account.unwrap_or_else(|| settings.account.clone());
            let region = region.unwrap_or_else(|| settings.region.clone());
            rooms.sns.stop_sms(&account, &region, &number).await?;
            Ok(json!({ "stopped": number }))
        }) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    };
    AdminPage { method: Method::POST, path: "sms-stop", answer: Arc::new(answer) }
}

/// A field of a query string, as it is.
fn field<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
}

/// `GET /_haar/images`: the images that are ready to run.
fn images(doors: &Doors) -> AdminPage {
    let substrate = doors.substrate.clone();
    let answer = move |_| {
        let store = substrate.images();
        Box::pin(async move {
            let store = store.ok_or("this substrate keeps no images")?;
            let images = store.list().await.map_err(|error| error.to_string())?;
            Ok(serde_json::to_value(images).map_err(|error| error.to_string())?)
        }) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    };
    AdminPage { method: Method::GET, path: "images", answer: Arc::new(answer) }
}

/// `POST /_haar/images?path=/tmp/image.tar&name=app:1`: brings an image in from this machine's
/// disk.
fn import(doors: &Doors) -> AdminPage {
    let substrate = doors.substrate.clone();
    let answer = move |AdminQuestion { query, .. }| {
        let store = substrate.images();
        Box::pin(async move {
            let store = store.ok_or("this substrate keeps no images")?;
            let (path, name) = (decoded(&query, "path"), decoded(&query, "name"));
            if ImageName::parse(&name).is_none() {
                let why = format!(
                    "'{name}' is no name of an image: write one in lower case, such as app:1"
                );
                return Err(AdminFault::asked(why));
            }
            let imported = haar_images::import(store.as_ref(), path.as_ref(), &name).await;
            let id = imported.map_err(|error| not_imported(&path, &error))?;
            Ok(json!({ "id": id, "name": name }))
        }) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    };
    AdminPage { method: Method::POST, path: "images", answer: Arc::new(answer) }
}

/// `DELETE /_haar/images?name=app:1`: forgets an image that was brought in from the disk. Its layers
/// go where no other image has them.
fn remove_image(doors: &Doors) -> AdminPage {
    let substrate = doors.substrate.clone();
    let answer = move |AdminQuestion { query, .. }| {
        let store = substrate.images();
        Box::pin(async move {
            let store = store.ok_or("this substrate keeps no images")?;
            let name = decoded(&query, "name");
            let images = store.list().await.map_err(|error| error.to_string())?;
            let named = |image: &Image| image.imported_as.iter().any(|one| one.0 == name);
            let image = images.into_iter().find(named).ok_or_else(|| AdminFault {
                status: StatusCode::NOT_FOUND,
                message: format!("no image was brought in as {name}: haar images ls lists them"),
            })?;
            store.remove(&image.id).await.map_err(|error| error.to_string())?;
            match store.find(&image.id).await {
                Err(ImageError::NotFound(_)) => {}
                _ => {
                    let message = format!("{name} is needed by a task or a function");
                    return Err(AdminFault { status: StatusCode::CONFLICT, message });
                }
            }
            Ok(json!({ "id": image.id, "names": image.references }))
        }) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    };
    AdminPage { method: Method::DELETE, path: "images", answer: Arc::new(answer) }
}

/// A field of a query string, in plain text; nothing where there is none.
fn decoded(query: &str, name: &str) -> String {
    let value = percent_encoding::percent_decode_str(field(query, name).unwrap_or_default());
    value.decode_utf8_lossy().into_owned()
}

/// A page that is there in permissive mode only.
fn forbidden(method: Method, path: &'static str, why: &'static str) -> AdminPage {
    let answer = move |_| {
        let fault = AdminFault { status: StatusCode::FORBIDDEN, message: why.to_owned() };
        Box::pin(std::future::ready(Err(fault)))
            as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    };
    AdminPage { method, path, answer: Arc::new(answer) }
}

/// What is wrong with the disk's image is not haar's fault.
fn not_imported(path: &str, error: &ImageError) -> AdminFault {
    let message = format!("could not import {path}: {error}");
    match error {
        ImageError::NotFound(_) | ImageError::Malformed(_) | ImageError::Unreachable(..) => {
            AdminFault::asked(message)
        }
        _ => message.into(),
    }
}

/// `GET /_haar/clock`: the cloud's time.
fn clock(time: &Arc<CloudTime>) -> AdminPage {
    let time = Arc::clone(time);
    page(Method::GET, "clock", move |_| Ok(time.shown()))
}

/// `POST /_haar/clock`, `{"advance": "1h30m"}` or `{"to": "2027-01-01T00:00:00Z"}`: moves the
/// cloud's time on, and answers when all is done that is due on the way.
fn move_clock(time: &Arc<CloudTime>) -> AdminPage {
    let time = Arc::clone(time);
    let answer = move |asked: AdminQuestion| {
        let time = Arc::clone(&time);
        Box::pin(async move { time.go_on(&asked.body).await })
            as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    };
    AdminPage { method: Method::POST, path: "clock", answer: Arc::new(answer) }
}

/// `POST /_haar/reset`: everything back to the initial state.
fn reset(rooms: &Arc<Rooms>, time: &Arc<CloudTime>) -> AdminPage {
    let (rooms, time) = (Arc::clone(rooms), Arc::clone(time));
    AdminPage {
        method: Method::POST,
        path: "reset",
        answer: Arc::new(move |_| {
            let (rooms, time) = (Arc::clone(&rooms), Arc::clone(&time));
            Box::pin(async move {
                let _halted = time.put_back().await;
                rooms.reset().await?;
                Ok(json!({ "reset": true }))
            })
        }),
    }
}

fn page(
    method: Method,
    path: &'static str,
    answer: impl Fn(&str) -> Result<Value, String> + Send + Sync + 'static,
) -> AdminPage {
    let answer = Arc::new(move |asked: AdminQuestion| {
        let answered = answer(&asked.query).map_err(AdminFault::from);
        Box::pin(std::future::ready(answered)) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    });
    AdminPage { method, path, answer }
}
