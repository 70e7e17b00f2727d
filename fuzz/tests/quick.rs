//! Each target for a few seconds: seeds that make sense, mutated by a generator that always does the same.

/// A generator that its seed alone decides (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides.max(1) as u64) as usize
    }

    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.roll(seeds.len())].clone();
        for _ in 0..1 + self.roll(4) {
            let at = self.roll(bytes.len() + 1);
            match self.roll(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.roll(256) as u8),
                2 if at < bytes.len() => bytes[at] ^= 1 << self.roll(8),
                3 if at < bytes.len() => drop(bytes.remove(at)),
                4 => {
                    let other = &seeds[self.roll(seeds.len())];
                    let from = self.roll(other.len() + 1);
                    let to = from + self.roll(other.len() - from + 1);
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
                _ => {
                    let word: &[u8] = [
                        &b"null"[..],
                        b"-1",
                        b"\"",
                        b"{",
                        b"[",
                        b"\xff\xff\xff\xff",
                        b"9999999999999999999999",
                        b"\\u0000",
                    ][self.roll(8)];
                    bytes.splice(at..at, word.iter().copied());
                }
            }
        }
        bytes
    }
}

fn drive(target: fn(&[u8]), seeds: &[Vec<u8>], times: usize) {
    let mut dice = Dice(1);
    seeds.iter().for_each(|seed| target(seed));
    for _ in 0..times {
        target(&dice.mutate(seeds));
    }
}

fn seeds(texts: &[&[u8]]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.to_vec()).collect()
}

#[test]
fn requests() {
    let json: &[(u8, &str)] = &[
        (0, r#"{"StreamName":"s","Records":[{"Data":"YWJj","PartitionKey":"k","ExplicitHashKey":"7"}]}"#),
        (1, r#"{"StreamName":"s","Data":"YWJj","PartitionKey":"k"}"#),
        (
            3,
            r#"{"StreamName":"s","ShardId":"shardId-000000000000","ShardIteratorType":"AT_TIMESTAMP","Timestamp":1.5}"#,
        ),
        (4, r#"{"StreamName":"s","ShardFilter":{"Type":"AT_TRIM_HORIZON"},"MaxResults":1}"#),
        (5, r#"{"Limit":10,"ExclusiveStartStreamName":"a"}"#),
        (9, r#"{"StreamName":"s","Tags":{"a":"b"}}"#),
        (15, r#"{"ResourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","Policy":"{\"Statement\":[{}]}"}"#),
        (19, r#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","MaxResults":1}"#),
        (
            20,
            r#"{"ConsumerARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:1","ShardId":"0","StartingPosition":{"Type":"LATEST"}}"#,
        ),
    ];
    let mut seeds: Vec<Vec<u8>> =
        json.iter().map(|(operation, body)| [&[operation << 1], body.as_bytes()].concat()).collect();
    // A put in CBOR, with lengths that stand at the end.
    seeds.push(
        b"\x01\xbf\x6aStreamName\x61s\x67Records\x9f\xbf\x64Data\x43abc\x6cPartitionKey\x61k\xff\xff\xff".to_vec(),
    );
    drive(fuzz::requests, &seeds, 3_000);
}

#[test]
fn signatures() {
    let header = b"\nhost:h\nx-amz-date:20261124T000000Z\nx-amz-target:Kinesis_20131202.ListStreams\nauthorization:AWS4-HMAC-SHA256 \
        Credential=AKID/20261124/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=00\n\n{}";
    let query = b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20261124%2Fus-east-1%2Fkinesis%2Faws4_request&X-Amz-Date=\
        20261124T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00\nhost:h\n\n{}";
    let chunked = b"\nhost:h\nx-amz-content-sha256:STREAMING-AWS4-HMAC-SHA256-PAYLOAD\nx-amz-decoded-content-length:2\n\
        content-encoding:aws-chunked\nx-amz-date:20261124T000000Z\n\n2;chunk-signature=00\r\n{}\r\n0;chunk-signature=00\r\n\r\n";
    drive(fuzz::signatures, &seeds(&[header, query, chunked]), 3_000);
}

#[test]
fn aggregated() {
    let whole = b"\xf3\x89\x9a\xc2\x0a\x01k\x1a\x05\x08\x00\x1a\x01x\x17\x9a\x4a\x8c\x05\x27\xce\x84\x30\x0b\x5c\xce\x02\xb5\x2c\x8a";
    drive(fuzz::aggregated, &seeds(&[whole, b"\xf3\x89\x9a\xc2"]), 100_000);
}

#[test]
fn events() {
    let frame = wire::event_stream::encode(&[(":message-type", "event")], b"{}").unwrap_or_default();
    drive(fuzz::events, &[frame], 100_000);
}

#[test]
fn disk() {
    let places: Vec<Vec<u8>> = (0..6).map(|file| vec![file, 0, 64, 0, 0, 0, 1, 255, 255]).collect();
    drive(fuzz::disk, &places, 1_500);
}

#[test]
fn checkpoint() {
    drive(fuzz::checkpoint, &fuzz::checkpoint_seeds(), 3_000);
}

#[test]
fn sql() {
    let window =
        b"INSERT INTO sums SELECT city, SUM(CAST(fare AS DOUBLE)) FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), \
        INTERVAL '1' MINUTE)) GROUP BY city, window_start, window_end;";
    let scalar = b"SELECT CASE WHEN ok THEN UPPER(city) ELSE SUBSTRING(city, 1, 3) END, fare * 2.5 + id, \
        CAST(ts AS DATE), id BETWEEN 1 AND 9, city LIKE 'a%' FROM rides WHERE NOT ok OR id IN (1, 2);";
    let top = b"EXPLAIN SELECT * FROM (SELECT city, ROW_NUMBER() OVER (PARTITION BY city ORDER BY fare DESC) AS r FROM rides) \
        WHERE r <= 3;";
    let join = b"CREATE VIEW v AS SELECT a.id, b.city FROM rides a JOIN rides b ON a.id = b.id AND a.ts BETWEEN b.ts - INTERVAL \
        '1' HOUR AND b.ts; SELECT city, COUNT(*) FROM v GROUP BY city HAVING COUNT(*) > 1; SET 'a' = 'b'; SHOW TABLES;";
    let table = b"CREATE TABLE x (a ROW<b INT, c ARRAY<STRING>>, p AS PROCTIME(), m MAP<STRING, INT>) WITH ('connector' = 'in');";
    drive(fuzz::sql, &seeds(&[window, scalar, top, join, table]), 5_000);
}

#[test]
fn search() {
    let bodies: [&[u8]; 9] = [
        b"\x00{\"index\":{\"_id\":\"2\"}}\n{\"n\":2,\"t\":[\"a\",\"b\"],\"d\":1767225600000,\"g\":\"1,2\"}\n{\"delete\":{\"_id\":\"2\"}}\n",
        b"\x00{\"update\":{\"_id\":\"1\",\"retry_on_conflict\":2}}\n{\"doc\":{\"n\":3},\"doc_as_upsert\":true}\n{\"create\":{}}\n{}\n",
        b"\x01{\"query\":{\"bool\":{\"must\":[{\"term\":{\"t\":\"a\"}}],\"filter\":{\"range\":{\"d\":{\"gte\":\"now-1d/d\",\"time_zone\":\"+01:00\"}}}}},\"sort\":[{\"n\":\"desc\"}],\"size\":3}",
        b"\x01{\"size\":0,\"aggs\":{\"x\":{\"terms\":{\"field\":\"t\",\"order\":{\"m\":\"desc\"}},\"aggs\":{\"m\":{\"avg\":{\"field\":\"n\"}}}}}}",
        b"\x01{\"aggs\":{\"h\":{\"date_histogram\":{\"field\":\"d\",\"fixed_interval\":\"1d\",\"extended_bounds\":{\"min\":0,\"max\":86400000}}},\"g\":{\"geohash_grid\":{\"field\":\"g\",\"precision\":5}}}}",
        b"\x02{\"query\":{\"geo_bounding_box\":{\"g\":{\"top_left\":\"9,1\",\"bottom_right\":{\"lat\":0,\"lon\":9}}}}}",
        b"\x03{\"n\":9223372036854775807,\"t\":null,\"o\":{\"p\":[1.5,\"x\"]}}",
        b"\x04{\"doc\":{\"n\":4},\"upsert\":{\"n\":5}}",
        b"\x05{\"properties\":{\"k\":{\"type\":\"date\",\"format\":\"yyyy-MM-dd||epoch_millis\"}}}",
    ];
    drive(fuzz::search, &seeds(&bodies), 2_000);
}

/// A call of this operation in the protocol of this number.
fn call(operation: &str, protocol: u8, body: &[u8]) -> Vec<u8> {
    let place = fuzz::CALLS.iter().position(|(_, known)| *known == operation);
    let place = place.unwrap_or_else(|| panic!("there is no operation {operation}"));
    [&[place as u8, protocol], body].concat()
}

#[test]
fn services() {
    let json = [
        (
            "PutMetricData",
            r#"{"Namespace":"N","MetricData":[{"MetricName":"M","Values":[1,2.5],"Counts":[1,3],"Unit":"Count","Dimensions":[{"Name":"a","Value":"b"}]}]}"#,
        ),
        (
            "GetMetricData",
            r#"{"StartTime":0,"EndTime":1e9,"MetricDataQueries":[{"Id":"m","MetricStat":{"Metric":{"Namespace":"N","MetricName":"M"},"Period":60,"Stat":"p99.9"}},{"Id":"e","Expression":"IF(m > 1, FILL(m, 0) / RATE(METRICS()), SUM([m, -1 ^ 2]))"},{"Id":"s","Expression":"SEARCH('{N,a} M', 'Average', 300)"}]}"#,
        ),
        (
            "GetMetricStatistics",
            r#"{"Namespace":"N","MetricName":"M","StartTime":"2026-01-01T00:00:00Z","EndTime":1.8e9,"Period":3600,"Statistics":["Sum"],"ExtendedStatistics":["p50"]}"#,
        ),
        (
            "PutMetricAlarm",
            r#"{"AlarmName":"a","Namespace":"N","MetricName":"M","Statistic":"Maximum","Period":10,"EvaluationPeriods":3,"DatapointsToAlarm":2,"Threshold":1e308,"ComparisonOperator":"GreaterThanThreshold","TreatMissingData":"breaching","Tags":[{"Key":"k","Value":"v"}]}"#,
        ),
        (
            "PutMetricAlarm",
            r#"{"AlarmName":"b","EvaluationPeriods":1,"Threshold":0,"ComparisonOperator":"LessThanThreshold","Metrics":[{"Id":"e","Expression":"m*1e308/0","Label":"x"},{"Id":"m","ReturnData":false,"MetricStat":{"Metric":{"Namespace":"N","MetricName":"M"},"Period":60,"Stat":"Sum"}}]}"#,
        ),
        ("PutCompositeAlarm", r#"{"AlarmName":"c","AlarmRule":"ALARM(a) AND NOT OK(\"b\")"}"#),
        ("DescribeAlarmHistory", r#"{"AlarmName":"a","StartDate":0,"MaxRecords":3,"NextToken":"x"}"#),
        (
            "PutDashboard",
            r#"{"DashboardName":"d","DashboardBody":"{\"widgets\":[{\"type\":\"metric\",\"properties\":{\"metrics\":[[\"N\",\"M\"]]}}]}"}"#,
        ),
        (
            "RegisterScalableTarget",
            r#"{"ServiceNamespace":"custom-resource","ResourceId":"application/x","ScalableDimension":"custom-resource:ResourceType:Property","MinCapacity":1,"MaxCapacity":9}"#,
        ),
        (
            "PutScalingPolicy",
            r#"{"PolicyName":"p","ServiceNamespace":"custom-resource","ResourceId":"application/x","ScalableDimension":"custom-resource:ResourceType:Property","PolicyType":"StepScaling","StepScalingPolicyConfiguration":{"AdjustmentType":"PercentChangeInCapacity","StepAdjustments":[{"MetricIntervalLowerBound":0,"ScalingAdjustment":10}]}}"#,
        ),
        (
            "PutScheduledAction",
            r#"{"ScheduledActionName":"n","Schedule":"cron(0/5 8 ? * MON-FRI *)","Timezone":"Europe/Berlin","ServiceNamespace":"custom-resource","ResourceId":"application/x","ScalableDimension":"custom-resource:ResourceType:Property","ScalableTargetAction":{"MinCapacity":2}}"#,
        ),
        (
            "CreateApplication",
            r#"{"ApplicationName":"x","RuntimeEnvironment":"FLINK-1_20","ServiceExecutionRole":"arn:aws:iam::000000000000:role/r","ApplicationConfiguration":{"ApplicationCodeConfiguration":{"CodeContentType":"PLAINTEXT","CodeContent":{"TextContent":"SELECT ${a.b} ${b}"}},"EnvironmentProperties":{"PropertyGroups":[{"PropertyGroupId":"a","PropertyMap":{"b":"1"}}]}}}"#,
        ),
        (
            "UpdateApplication",
            r#"{"ApplicationName":"x","CurrentApplicationVersionId":1,"ApplicationConfigurationUpdate":{"FlinkApplicationConfigurationUpdate":{"ParallelismConfigurationUpdate":{"ConfigurationTypeUpdate":"CUSTOM","ParallelismUpdate":2}}}}"#,
        ),
        ("ListApplicationOperations", r#"{"ApplicationName":"x","Limit":5,"OperationStatus":"FAILED"}"#),
    ];
    let mut seeds: Vec<Vec<u8>> = json.iter().map(|(operation, body)| call(operation, 0, body.as_bytes())).collect();
    seeds.push(call("PutMetricData", 2, b"Namespace=N&MetricData.member.1.MetricName=M&MetricData.member.1.Value=1e3&MetricData.member.2.MetricName=O&MetricData.member.2.Values.member.1=7"));
    seeds.push(call("DescribeAlarms", 2, b"AlarmNames.member.1=a&MaxRecords=1&AlarmTypes.member.1=MetricAlarm"));
    seeds.push(call("ListMetrics", 1, b"\xbf\x69Namespace\x61N\x6aDimensions\x81\xa1\x64Name\x61a\xff"));
    seeds.push(call("GetMetricStatistics", 1, b"\xa4\x69Namespace\x61N\x6aMetricName\x61M\x69StartTime\xc1\xfb\x41\xda\x00\x00\x00\x00\x00\x00\x66Period\x18\x3c"));
    // Every operation with nothing, in each protocol.
    for number in 0..fuzz::CALLS.len() as u8 {
        seeds.extend((0..3).map(|protocol| vec![number, protocol]));
    }
    drive(fuzz::services, &seeds, 4_000);
}

#[test]
fn rules() {
    let texts: [&[u8]; 4] = [
        b"ALARM(a) AND NOT (OK(\"b c\") OR INSUFFICIENT_DATA('d')) OR TRUE",
        b"NOT NOT FALSE",
        b"((((ALARM(\"arn:aws:cloudwatch:us-east-1:000000000000:alarm:x\"))))",
        b"ALARM( ) and",
    ];
    drive(fuzz::rules, &seeds(&texts), 100_000);
    fuzz::rules("(".repeat(100_000).as_bytes());
    fuzz::rules("NOT ".repeat(100_000).as_bytes());
}
