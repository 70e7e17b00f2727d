//! The options, one by one: what they come to, and what is said of those that are wrong.

use super::*;
use engine::types::Schema;

const ARN_TEXT: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/trips";

fn parse(options: &[(&str, &str)]) -> Result<SourceOptions, PortError> {
    let all = [("connector", "kinesis"), ("format", "json")].iter().chain(options);
    let options = all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let (name, schema) = ("t".to_owned(), Schema::default());
    SourceOptions::parse(&TableDef { name, schema, computed: vec![], watermark: None, primary_key: vec![], options })
}

/// What is read of a table with these options beside stream and region.
fn with(options: &[(&str, &str)]) -> Result<SourceOptions, PortError> {
    parse(&[&[("stream", "trips"), ("aws.region", "eu-west-1")], options].concat())
}

#[test]
fn a_table_with_a_stream_and_a_region_has_flinks_defaults() {
    let options = with(&[]).unwrap();
    assert_eq!(options.address.endpoint.as_str(), "https://kinesis.eu-west-1.amazonaws.com/");
    assert_eq!((options.address.region.as_str(), options.address.is_insecure), ("eu-west-1", false));
    assert_eq!((options.address.keys, options.start), (Keys::Anywhere, Start::Latest));
    assert_eq!(options.stream, StreamName { name: "trips".into(), arn: None });
    let interval = Duration::from_millis(200);
    assert_eq!(options.reading, Reading::Polling { records_max: 10_000, interval });
    assert_eq!(options.discovery, Duration::from_secs(10));
}

#[test]
fn an_address_is_what_endpoint_region_and_arn_say() {
    for (options, endpoint, region) in [
        (&[("aws.endpoint", "http://h:4566"), ("stream", "trips")][..], "http://h:4566/", "us-east-1"),
        (&[("aws.endpoint", "http://h:4566"), ("stream", "s"), ("aws.region", "r")], "http://h:4566/", "r"),
        (&[("stream.arn", ARN_TEXT)], "https://kinesis.eu-west-1.amazonaws.com/", "eu-west-1"),
        (&[("stream.arn", ARN_TEXT), ("stream", "trips"), ("aws.endpoint", "https://h")], "https://h/", "eu-west-1"),
        (
            &[("stream", "s"), ("aws.region", "cn-north-1")],
            "https://kinesis.cn-north-1.amazonaws.com.cn/",
            "cn-north-1",
        ),
        (
            &[("stream", "s"), ("aws.endpoint", "https://kinesis.us-west-2.amazonaws.com")],
            "https://kinesis.us-west-2.amazonaws.com/",
            "us-west-2",
        ),
    ] {
        let address = parse(options).unwrap().address;
        assert_eq!((address.endpoint.as_str(), address.region.as_str()), (endpoint, region), "{options:?}");
    }
    assert!(with(&[("aws.trust.all.certificates", "true")]).unwrap().address.is_insecure);
}

#[test]
fn both_generations_of_names_are_understood() {
    let consumer = || Consumer::Registered("c".into());
    for (older, newer) in [
        (
            &[("scan.stream.recordpublisher", "EFO"), ("scan.stream.efo.consumername", "c")][..],
            &[("source.reader.type", "EFO"), ("source.efo.consumer.name", "c")][..],
        ),
        (&[("scan.stream.initpos", "TRIM_HORIZON")], &[("source.init.position", "TRIM_HORIZON")]),
        (
            &[("scan.shard.getrecords.maxrecordcount", "7"), ("scan.shard.getrecords.intervalmillis", "1500")],
            &[("source.shard.get-records.max-record-count", "7"), ("source.shard.get-records.interval", "1500 ms")],
        ),
        (&[("scan.shard.discovery.intervalmillis", "60000")], &[("source.shard.discovery.interval", "1 min")]),
    ] {
        let read = with(older).unwrap();
        assert_eq!(read, with(newer).unwrap(), "{older:?}");
        assert_ne!(read, with(&[]).unwrap(), "{older:?}");
        let both = [older, newer].concat();
        assert!(with(&both).unwrap_err().message.contains("say the same: give one of them"), "{both:?}");
    }
    let efo = [("source.reader.type", "EFO"), ("source.efo.consumer.name", "c")];
    let fan_out = |more: &[(&str, &str)]| with(&[&efo, more].concat()).map(|options| options.reading);
    for how in ["LAZY", "EAGER"] {
        assert_eq!(fan_out(&[("scan.stream.efo.registration", how)]).unwrap(), Reading::FanOut(consumer()));
    }
    let there = Reading::FanOut(Consumer::There("c".into()));
    assert_eq!(fan_out(&[("source.efo.lifecycle", "SELF_MANAGED")]).unwrap(), there);
    let arn = [("scan.stream.efo.registration", "NONE"), ("scan.stream.efo.consumerarn.trips", "arn:c")];
    assert_eq!(fan_out(&arn).unwrap(), Reading::FanOut(Consumer::Arn("arn:c".into())));
}

#[test]
fn a_first_read_begins_where_it_is_said() {
    let at = |text: &str| with(&[("scan.stream.initpos", "AT_TIMESTAMP"), ("scan.stream.initpos-timestamp", text)]);
    assert_eq!(at("1970-01-01T00:00:01.500Z").unwrap().start, Start::At(1_500));
    assert_eq!(at("1970-01-01T01:00:01+01:00").unwrap().start, Start::At(1_000));
    assert_eq!(at("1459799926.480").unwrap().start, Start::At(1_459_799_926_480));
    for bad in ["yesterday", "-1", "NaN", "1e300"] {
        assert!(at(bad).unwrap_err().message.contains("seconds"), "{bad}");
    }
    assert_eq!(Start::Latest.place(7), Place::Time(7));
    assert_eq!(Start::At(3).place(7), Place::Time(3));
    assert_eq!(Start::Oldest.place(7), Place::Oldest);
}

#[test]
fn keys_come_from_where_the_provider_says() {
    const ID: (&str, &str) = ("aws.credentials.basic.accesskeyid", "AK");
    const KEY: (&str, &str) = ("aws.credentials.basic.secretkey", "hush");
    let keys = |options: &[(&str, &str)]| with(options).map(|options| options.address.keys);
    let given = |session_token: Option<&str>| {
        let session_token = session_token.map(str::to_owned);
        Keys::Given(ClientKey { id: "AK".into(), secret: "hush".into(), session_token })
    };
    assert_eq!(keys(&[ID, KEY]).unwrap(), given(None));
    let token = ("aws.credentials.basic.sessiontoken", "T");
    assert_eq!(keys(&[ID, KEY, token, ("aws.credentials.provider", "BASIC")]).unwrap(), given(Some("T")));
    assert_eq!(keys(&[("aws.credentials.provider", "ENV_VAR")]).unwrap(), Keys::Environment);
    assert_eq!(keys(&[("aws.credentials.provider", "AUTO")]).unwrap(), Keys::Anywhere);
    assert!(keys(&[ID]).unwrap_err().message.contains("'aws.credentials.basic.secretkey'"));
    for provider in ["ASSUME_ROLE", "PROFILE", "SYS_PROP", "WEB_IDENTITY_TOKEN"] {
        let told = keys(&[("aws.credentials.provider", provider)]).unwrap_err().message;
        assert!(told.contains(provider) && told.contains("BASIC, ENV_VAR and AUTO"), "{told}");
    }
    assert!(!format!("{:?}", with(&[ID, KEY]).unwrap()).contains("hush"));
}

#[test]
fn what_is_wrong_is_named() {
    for (options, what) in [
        (&[("stream", "s")][..], "Give 'aws.region', 'aws.endpoint' or 'stream.arn'"),
        (&[("aws.region", "r")], "the option 'stream' is missing"),
        (&[("stream.arn", "arn:aws:s3:::b")], "'stream.arn' is \"arn:aws:s3:::b\""),
        (&[("stream.arn", ARN_TEXT), ("stream", "other")], "'stream' is \"other\", and 'stream.arn' names \"trips\""),
        (&[("stream", "s"), ("aws.endpoint", "h:4566")], "written as https://host:port"),
        (&[("stream", "s"), ("aws.endpoint", "http://h/path")], "written as https://host:port"),
    ] {
        let told = parse(options).unwrap_err().message;
        assert!(told.starts_with("table t: ") && told.contains(what), "{told}");
    }
    for (option, value, what) in [
        ("scan.stream.initpos", "EARLIEST", "LATEST, TRIM_HORIZON or AT_TIMESTAMP"),
        ("scan.stream.initpos", "AT_TIMESTAMP", "needs 'scan.stream.initpos-timestamp'"),
        ("scan.shard.getrecords.maxrecordcount", "0", "1 to 10000"),
        ("scan.shard.getrecords.maxrecordcount", "10001", "1 to 10000"),
        ("scan.shard.getrecords.intervalmillis", "soon", "a time of 3600 s at most"),
        ("scan.stream.recordpublisher", "PUSH", "POLLING or EFO"),
        ("scan.stream.recordpublisher", "EFO", "'scan.stream.efo.consumername'"),
        ("aws.trust.all.certificates", "yes", "true or false"),
        ("scan.stream.initpos-timestamp-format", "yyyy", "unknown option 'scan.stream.initpos-timestamp-format'"),
        ("json.ignore-parse-errors", "perhaps", "json.ignore-parse-errors"),
    ] {
        let told = with(&[(option, value)]).unwrap_err();
        assert!(told.kind == Kind::Invalid && told.message.contains(what), "{told}");
    }
}
