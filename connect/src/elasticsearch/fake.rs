//! A small cluster of one node for tests: it keeps what it takes, and fails as it is told.

use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// What it does with a bulk.
#[derive(Debug, Clone)]
pub(super) enum Does {
    /// Takes and answers.
    Takes,
    /// Takes, and the connection breaks before the answer.
    TakesAndBreaks,
    /// Takes, and the connection breaks in the middle of the answer.
    TakesAndBreaksInTheMiddle,
    /// Takes, and does not answer.
    TakesAndIsSilent,
    /// Breaks the connection without taking anything.
    Breaks,
    /// Answers with a status for the whole request.
    Refuses(u16),
    /// Answers with a status for each action, and takes those that are done; the others of a longer bulk too.
    Answers(Vec<u16>),
    /// Answers well with this text.
    Says(&'static str),
}

#[derive(Default)]
struct State {
    plans: VecDeque<Does>,
    documents: BTreeMap<(String, String), Value>,
    /// Each request: its path, its authorization, and the targets of its actions.
    requests: Vec<(String, Option<String>, Vec<String>)>,
    nameless: usize,
}

/// A node.
pub(super) struct Fake {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Fake {
    /// A node that does as planned with the first bulks, and takes those after them.
    pub(super) fn start(plans: &[Does]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(Mutex::new(State { plans: plans.iter().cloned().collect(), ..State::default() }));
        let (address, shared) = (listener.local_addr().unwrap(), state.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, state }
    }

    pub(super) fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The documents of an index, by id, and those without an id that somebody has chosen.
    pub(super) fn documents(&self, index: &str) -> Vec<(String, Value)> {
        let state = self.state.lock();
        let found = state.documents.iter().filter(|((of, _), _)| of == index);
        found.map(|((_, id), document)| (id.clone(), document.clone())).collect()
    }

    /// The ids that each bulk was about.
    pub(super) fn bulks(&self) -> Vec<Vec<String>> {
        self.state.lock().requests.iter().map(|request| request.2.clone()).collect()
    }

    /// Path and authorization of each request.
    pub(super) fn asked(&self) -> Vec<(String, Option<String>)> {
        self.state.lock().requests.iter().map(|request| (request.0.clone(), request.1.clone())).collect()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some((path, login, body)) = request(&mut reader) {
        let does = state.lock().plans.pop_front().unwrap_or(Does::Takes);
        let (statuses, refusal) = match &does {
            Does::Breaks | Does::Says(_) => (vec![], Some(500)),
            Does::Refuses(status) => (vec![], Some(*status)),
            Does::Answers(statuses) => (statuses.clone(), None),
            _ => (vec![], None),
        };
        let answer = state.lock().take(path, login, &body, &statuses, refusal.is_none());
        let answer = answer.to_string();
        let sent = match does {
            Does::Takes | Does::Answers(_) => say(&stream, 200, &answer),
            Does::Refuses(status) => {
                say(&stream, status, "{\"error\":{\"type\":\"some_exception\",\"reason\":\"so it is\"}}")
            }
            Does::Says(text) => say(&stream, 200, text),
            Does::TakesAndBreaksInTheMiddle => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
                let _ = (&stream).write_all(format!("{head}{}", &answer[..answer.len() / 2]).as_bytes());
                false
            }
            Does::TakesAndIsSilent => {
                let _ = reader.read(&mut [0]);
                false
            }
            Does::Breaks | Does::TakesAndBreaks => false,
        };
        if !sent {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// Path, authorization and body of the next request.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Option<String>, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut login) = (0, None);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "authorization" => login = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, login, body))
}

fn say(mut stream: &TcpStream, status: u16, body: &str) -> bool {
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).is_ok()
}

impl State {
    /// Takes the actions of a bulk whose status is well, and gives the answer.
    fn take(&mut self, path: String, login: Option<String>, body: &[u8], statuses: &[u16], applies: bool) -> Value {
        let lines = body.split(|c| *c == b'\n').filter(|line| !line.is_empty());
        let mut lines = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
        let (mut items, mut ids) = (Vec::new(), Vec::new());
        while let Some(line) = lines.next() {
            let (action, target) = line.as_object().unwrap().iter().next().unwrap();
            let source = (action == "index").then(|| lines.next().unwrap());
            let index = target["_index"].as_str().unwrap().to_owned();
            let id = target.get("_id").map(|id| id.as_str().unwrap().to_owned());
            let id = id.unwrap_or_else(|| {
                self.nameless += 1;
                format!("nameless-{}", self.nameless)
            });
            let status = statuses.get(items.len()).copied().unwrap_or(200);
            ids.push(id.clone());
            let mut item = json!({"_index": index, "_id": id, "status": status});
            if status > 299 {
                item["error"] = json!({"type": "some_exception", "reason": "so it is"});
            } else if applies {
                match source {
                    Some(source) => self.documents.insert((index, id), source),
                    None => self.documents.remove(&(index, id)),
                };
            }
            items.push(json!({action: item}));
        }
        self.requests.push((path, login, ids));
        json!({"took": 1, "errors": !statuses.is_empty(), "items": items})
    }
}
