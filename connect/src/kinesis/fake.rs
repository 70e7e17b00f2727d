//! A small service of one stream for tests: it keeps what it is given, and fails as it is told.

use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use wire::event_stream::encode;

/// What it does with a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Does {
    /// Answers with this status and error.
    Refuses(u16, &'static str),
    /// Breaks the connection without an answer.
    Breaks,
    /// Breaks the connection in the middle of the answer.
    BreaksInTheMiddle,
    /// Pushes one event, and then this.
    PushesThen(Then),
}

/// What becomes of a subscription after its first event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    /// Its time is over.
    Ends,
    /// The connection breaks within an event.
    Breaks,
    /// An event comes with a bit flipped.
    Flips,
    /// The service says that something is wrong.
    Excepts(&'static str),
}

#[derive(Default)]
struct Shard {
    parents: Vec<u32>,
    records: Vec<Vec<u8>>,
    /// What follows it, where it is closed.
    children: Option<Vec<u32>>,
}

#[derive(Default)]
struct State {
    shards: BTreeMap<u32, Shard>,
    plans: BTreeMap<&'static str, VecDeque<Does>>,
    /// Each call: the operation and its input.
    calls: Vec<(String, Value)>,
    consumers: BTreeMap<String, u32>,
    /// Iterators of this generation or later are good.
    generation: u64,
    tells_children: bool,
}

/// A service.
#[derive(Clone)]
pub(super) struct Fake {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// The number of a record: its shard's birth, and its place there.
pub(super) fn number(shard: u32, at: usize) -> String {
    behind(shard, at + 1)
}

/// The number behind which so many records stand before.
fn behind(shard: u32, records: usize) -> String {
    format!("49{:013}{records:030}{:011}", 1_452_063_600_000_u64 + u64::from(shard), 2)
}

fn name(shard: u32) -> String {
    format!("shardId-{shard:012}")
}

fn number_of(name: &str) -> u32 {
    name.strip_prefix("shardId-").unwrap().parse().unwrap()
}

impl Fake {
    /// A service whose stream `trips` has so many shards.
    pub(super) fn start(shards: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State {
            shards: (0..shards).map(|shard| (shard, Shard::default())).collect(),
            tells_children: true,
            ..State::default()
        };
        let fake = Self { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let shared = fake.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || shared.serve(&stream));
            }
        });
        fake
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is done with the next calls of an operation.
    pub(super) fn plan(&self, operation: &'static str, plans: &[Does]) {
        self.state.lock().plans.entry(operation).or_default().extend(plans);
    }

    pub(super) fn put(&self, shard: u32, texts: &[&str]) {
        let records = texts.iter().map(|text| text.as_bytes().to_vec());
        self.state.lock().shards.get_mut(&shard).unwrap().records.extend(records);
    }

    pub(super) fn put_bytes(&self, shard: u32, record: Vec<u8>) {
        self.state.lock().shards.get_mut(&shard).unwrap().records.push(record);
    }

    /// Closes shards and puts others in their place.
    pub(super) fn reshard(&self, parents: &[u32], children: &[u32]) {
        let mut state = self.state.lock();
        for parent in parents {
            state.shards.get_mut(parent).unwrap().children = Some(children.to_vec());
        }
        for child in children {
            state.shards.insert(*child, Shard { parents: parents.to_vec(), ..Shard::default() });
        }
    }

    /// Answers at the end of a shard do not tell what follows.
    pub(super) fn hides_children(&self) {
        self.state.lock().tells_children = false;
    }

    /// No iterator that was given so far is good any more.
    pub(super) fn expire(&self) {
        self.state.lock().generation += 1;
    }

    /// The inputs of the calls of an operation.
    pub(super) fn calls(&self, operation: &str) -> Vec<Value> {
        let state = self.state.lock();
        state.calls.iter().filter(|(of, _)| of == operation).map(|(_, input)| input.clone()).collect()
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some((operation, authorization, body)) = request(&mut reader) {
            let input: Value = serde_json::from_slice(&body).unwrap();
            let plan = {
                let mut state = self.state.lock();
                state.calls.push((operation.clone(), input.clone()));
                state.plans.get_mut(operation.as_str()).and_then(VecDeque::pop_front)
            };
            let plan = if authorization.contains("Credential=good/") {
                plan
            } else {
                Some(Does::Refuses(400, "InvalidSignatureException"))
            };
            let goes_on = match plan {
                Some(Does::Refuses(status, code)) => {
                    say(stream, status, &json!({ "__type": code, "message": "so it is" }))
                }
                Some(Does::Breaks) => false,
                Some(Does::BreaksInTheMiddle) => {
                    let half = "HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n{\"Records\":[";
                    let _ = (&*stream).write_all(half.as_bytes());
                    false
                }
                plan if operation == "SubscribeToShard" => {
                    let then = if let Some(Does::PushesThen(then)) = plan { Some(then) } else { None };
                    self.push(stream, &input, then);
                    false
                }
                _ => match self.state.lock().answer(&operation, &input) {
                    Ok(answer) => say(stream, 200, &answer),
                    Err(code) => say(stream, 400, &json!({ "__type": code, "message": "so it is" })),
                },
            };
            if !goes_on {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    /// Pushes what there is from a position on, one event after the other, until the shard's end.
    fn push(&self, mut stream: &TcpStream, input: &Value, then: Option<Then>) {
        let shard = number_of(input["ShardId"].as_str().unwrap());
        let position = &input["StartingPosition"];
        let at = position["SequenceNumber"].as_str().map(|number| number[15..45].parse::<usize>().unwrap());
        let mut at = at.unwrap_or(0);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\n\r\n";
        let first = encode(&[(":event-type", "initial-response"), (":message-type", "event")], b"{}").unwrap();
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&first)).is_err() {
            return;
        }
        loop {
            let event = self.state.lock().event(shard, &mut at);
            let ends = event.get("ContinuationSequenceNumber").is_none();
            let frame = frame(&event);
            match then {
                Some(Then::Breaks) if !event["Records"].as_array().unwrap().is_empty() => {
                    let _ = stream.write_all(&frame);
                    let _ = stream.write_all(&frame[..frame.len() / 2]);
                    return;
                }
                Some(Then::Flips) => {
                    let mut flipped = frame.clone();
                    let middle = flipped.len() / 2;
                    flipped[middle] ^= 1;
                    let _ = stream.write_all(&frame).and_then(|()| stream.write_all(&flipped));
                    return;
                }
                Some(Then::Excepts(code)) => {
                    let headers = [(":message-type", "exception"), (":exception-type", code)];
                    let exception = encode(&headers, br#"{"message":"so it is"}"#).unwrap();
                    let _ = stream.write_all(&frame).and_then(|()| stream.write_all(&exception));
                    return;
                }
                _ => {}
            }
            if stream.write_all(&frame).is_err() || ends || then.is_some() {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
    }
}

fn frame(event: &Value) -> Vec<u8> {
    let headers = [(":event-type", "SubscribeToShardEvent"), (":message-type", "event")];
    encode(&headers, event.to_string().as_bytes()).unwrap()
}

impl State {
    fn answer(&mut self, operation: &str, input: &Value) -> Result<Value, &'static str> {
        if input.get("StreamName").is_some_and(|name| name != "trips") {
            return Err("ResourceNotFoundException");
        }
        match operation {
            "ListShards" => Ok(self.list(input)),
            "GetShardIterator" => {
                let number = input["StartingSequenceNumber"].as_str();
                let at = number.map_or(0, |number| number[15..45].parse::<usize>().unwrap());
                let shard = number_of(input["ShardId"].as_str().unwrap());
                Ok(json!({ "ShardIterator": format!("{shard}/{at}/{}", self.generation) }))
            }
            "GetRecords" => {
                let parts: Vec<u64> =
                    input["ShardIterator"].as_str().unwrap().split('/').map(|part| part.parse().unwrap()).collect();
                if parts[2] < self.generation {
                    return Err("ExpiredIteratorException");
                }
                let (shard, from) = (parts[0] as u32, parts[1] as usize);
                let most = input["Limit"].as_u64().unwrap() as usize;
                Ok(self.records(shard, from, most))
            }
            "DescribeStreamSummary" => {
                Ok(json!({ "StreamDescriptionSummary": { "StreamARN": "arn:aws:kinesis:r:1:stream/trips" } }))
            }
            "RegisterStreamConsumer" => {
                let name = input["ConsumerName"].as_str().unwrap().to_owned();
                self.consumers.insert(name, 0);
                Ok(json!({ "Consumer": { "ConsumerARN": "arn:c", "ConsumerStatus": "CREATING" } }))
            }
            "DescribeStreamConsumer" => {
                let looks = self.consumers.get_mut(input["ConsumerName"].as_str().unwrap());
                let looks = looks.ok_or("ResourceNotFoundException")?;
                *looks += 1;
                let status = if *looks > 1 { "ACTIVE" } else { "CREATING" };
                Ok(json!({ "ConsumerDescription": { "ConsumerARN": "arn:c", "ConsumerStatus": status } }))
            }
            _ => Err("UnknownOperationException"),
        }
    }

    /// Two shards a page.
    fn list(&self, input: &Value) -> Value {
        let from = input["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let shard = |(number, shard): (&u32, &Shard)| {
            let mut listed = json!({ "ShardId": name(*number), "HashKeyRange": {} });
            for (field, parent) in ["ParentShardId", "AdjacentParentShardId"].iter().zip(&shard.parents) {
                listed[*field] = json!(name(*parent));
            }
            listed
        };
        let shards: Vec<Value> = self.shards.iter().skip(from).take(2).map(shard).collect();
        let mut answer = json!({ "Shards": shards });
        if from + 2 < self.shards.len() {
            answer["NextToken"] = json!((from + 2).to_string());
        }
        answer
    }

    fn records(&self, number_of_shard: u32, from: usize, most: usize) -> Value {
        let shard = &self.shards[&number_of_shard];
        let records = self.listed(number_of_shard, from, most);
        let next = from + records.len();
        let left = shard.records.len() - next;
        let mut answer = json!({ "Records": records, "MillisBehindLatest": left * 1_000 });
        match &shard.children {
            Some(children) if left == 0 => self.end(&mut answer, children),
            _ => answer["NextShardIterator"] = json!(format!("{number_of_shard}/{next}/{}", self.generation)),
        }
        answer
    }

    fn event(&self, number_of_shard: u32, at: &mut usize) -> Value {
        let shard = &self.shards[&number_of_shard];
        let records = self.listed(number_of_shard, *at, 3);
        *at += records.len();
        let left = shard.records.len() - *at;
        let mut event = json!({ "Records": records, "MillisBehindLatest": left * 1_000 });
        match &shard.children {
            Some(children) if left == 0 => self.end(&mut event, children),
            _ => event["ContinuationSequenceNumber"] = json!(behind(number_of_shard, *at)),
        }
        event
    }

    fn end(&self, answer: &mut Value, children: &[u32]) {
        if self.tells_children {
            let child = |child: &u32| {
                let parents: Vec<String> = self.shards[child].parents.iter().map(|parent| name(*parent)).collect();
                json!({ "ShardId": name(*child), "ParentShards": parents, "HashKeyRange": {} })
            };
            answer["ChildShards"] = children.iter().map(child).collect();
        }
    }

    fn listed(&self, shard: u32, from: usize, most: usize) -> Vec<Value> {
        use base64::Engine;
        let encoded = |data: &[u8]| base64::engine::general_purpose::STANDARD.encode(data);
        let record = |(at, data): (usize, &Vec<u8>)| json!({ "SequenceNumber": number(shard, at), "Data": encoded(data), "PartitionKey": "k" });
        self.shards[&shard].records.iter().enumerate().skip(from).take(most).map(record).collect()
    }
}

fn say(mut stream: &TcpStream, status: u16, answer: &Value) -> bool {
    let body = answer.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ndate: Wed, 06 Jan 2016 07:00:00 GMT\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).is_ok()
}

/// The operation, the authorization and the body of the next request.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, String, Vec<u8>)> {
    let (mut operation, mut authorization, mut length) = (String::new(), String::new(), 0);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "x-amz-target" => value.rsplit('.').next().unwrap().clone_into(&mut operation),
            "authorization" => value.clone_into(&mut authorization),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((operation, authorization, body))
}
