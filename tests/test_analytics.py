"""Kinesis Analytics V2 as boto3 and the AWS command line call it, on the real binary."""

import json
import os
import signal
import subprocess
import sys

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from hailstream import BINARY, ROOT, Platform, wait_for
from trips import check

TAXI = (ROOT / "examples" / "taxi" / "taxi.sql").read_text()
ROLE = "arn:aws:iam::123456789123:role/taxi"
ARN = "arn:aws:kinesisanalytics:us-east-1:000000000000:application/taxi"


def client(platform, **more):
    return boto3.client(
        "kinesisanalyticsv2", endpoint_url=platform.addresses["aws"], region_name="us-east-1", aws_access_key_id="test",
        aws_secret_access_key="test", config=Config(retries={"max_attempts": 0}, **more))


def configuration(sql=TAXI, flink=None, **more):
    code = {"CodeContent": {"TextContent": sql}, "CodeContentType": "PLAINTEXT"}
    # Rules change no size meanwhile, however busy the machine is.
    fixed = {"ConfigurationType": "CUSTOM", "Parallelism": 1, "ParallelismPerKPU": 1, "AutoScalingEnabled": False}
    flink = flink or {"CheckpointConfiguration": {"ConfigurationType": "CUSTOM", "CheckpointInterval": 200, "MinPauseBetweenCheckpoints": 0},
                      "ParallelismConfiguration": fixed}
    return {"ApplicationCodeConfiguration": code, "FlinkApplicationConfiguration": flink, **more}


def create(service, name="taxi", config=None, **more):
    return service.create_application(
        ApplicationName=name, RuntimeEnvironment="FLINK-1_20", ServiceExecutionRole=ROLE,
        ApplicationConfiguration=config or configuration(), **more)["ApplicationDetail"]


def detail(service, name="taxi", **more):
    return service.describe_application(ApplicationName=name, **more)["ApplicationDetail"]


def becomes(service, status, name="taxi"):
    return wait_for(lambda: detail(service, name)["ApplicationStatus"] == status and detail(service, name), f"{name} to be {status}")


def ended(service, operation, name="taxi"):
    def look():
        info = service.describe_application_operation(ApplicationName=name, OperationId=operation)["ApplicationOperationInfoDetails"]
        return info["OperationStatus"] != "IN_PROGRESS" and info
    return wait_for(look, "the end of an operation")


def refusal(call, **members):
    with pytest.raises(ClientError) as refused:
        call(**members)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def parallelism(shown):
    return shown["ApplicationConfigurationDescription"]["FlinkApplicationConfigurationDescription"]["ParallelismConfigurationDescription"]


def update(service, version=None, name="taxi", config=None, **more):
    version = version or detail(service, name)["ApplicationVersionId"]
    return service.update_application(
        ApplicationName=name, CurrentApplicationVersionId=version, ApplicationConfigurationUpdate=config or {}, **more)


def sized(p, per_kpu, auto=True):
    return {"FlinkApplicationConfigurationUpdate": {"ParallelismConfigurationUpdate": {
        "AutoScalingEnabledUpdate": auto, "ConfigurationTypeUpdate": "CUSTOM", "ParallelismPerKPUUpdate": per_kpu, "ParallelismUpdate": p}}}


def code(sql):
    return {"ApplicationCodeConfigurationUpdate": {"CodeContentUpdate": {"TextContentUpdate": sql}}}


@pytest.fixture
def platform(start):
    platform = start("--unlimited")
    kinesis = platform.kinesis()
    kinesis.create_stream(StreamName="trips", ShardCount=4)
    kinesis.get_waiter("stream_exists").wait(StreamName="trips", WaiterConfig={"Delay": 1})
    return platform


def fill(platform, trips):
    subprocess.run([BINARY, "replay", str(trips), "--stream", "trips", "--endpoint", platform.addresses["aws"], "--speedup", "max"],
                   check=True, capture_output=True, env=os.environ | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"})


def test_the_whole_life_of_the_taxi_application(platform, generated):
    service = client(platform)
    flink = {"ParallelismConfiguration": {"AutoScalingEnabled": True, "ConfigurationType": "CUSTOM", "Parallelism": 4, "ParallelismPerKPU": 4}}
    made = create(service, config=configuration(flink=flink), ApplicationDescription="a fleet", Tags=[{"Key": "team", "Value": "maps"}])
    assert (made["ApplicationARN"], made["ApplicationStatus"], made["ApplicationVersionId"]) == (ARN, "READY", 1)
    described = made["ApplicationConfigurationDescription"]
    assert described["FlinkApplicationConfigurationDescription"]["CheckpointConfigurationDescription"] == {
        "ConfigurationType": "DEFAULT", "CheckpointingEnabled": True, "CheckpointInterval": 60_000, "MinPauseBetweenCheckpoints": 5_000}
    assert parallelism(made) == {"ConfigurationType": "CUSTOM", "Parallelism": 4, "ParallelismPerKPU": 4,
                                 "CurrentParallelism": 4, "AutoScalingEnabled": True}
    assert described["ApplicationCodeConfigurationDescription"]["CodeContentDescription"]["TextContent"] == TAXI
    assert refusal(service.stop_application, ApplicationName="taxi")[0] == "ResourceInUseException"

    operation = service.start_application(ApplicationName="taxi", RunConfiguration={})["OperationId"]
    becomes(service, "RUNNING")
    assert ended(service, operation)["OperationStatus"] == "SUCCESSFUL"
    assert refusal(service.start_application, ApplicationName="taxi")[0] == "ResourceInUseException"

    # As printed: 4 and 4 change nothing that runs; then 6 and 2, which are three KPUs, and no rule changes them when records come.
    assert ended(service, update(service, 1, config=sized(4, 4))["OperationId"])["OperationStatus"] == "SUCCESSFUL"
    changed = update(service, 2, config=sized(6, 2, auto=False))
    assert changed["ApplicationDetail"]["ApplicationVersionId"] == 3
    assert ended(service, changed["OperationId"])["OperationStatus"] == "SUCCESSFUL"
    assert parallelism(becomes(service, "RUNNING"))["CurrentParallelism"] == 6
    fill(platform, generated[0])
    # A parallelism alone is changed live: the same run has it.
    restarts = wait_for(lambda: [s for s in service.list_application_snapshots(ApplicationName="taxi")["SnapshotSummaries"]], "the snapshot")
    ended(service, update(service, 3, config=sized(3, 2, auto=False))["OperationId"])
    assert parallelism(becomes(service, "RUNNING"))["CurrentParallelism"] == 3
    assert len(service.list_application_snapshots(ApplicationName="taxi")["SnapshotSummaries"]) == len(restarts)

    service.create_application_snapshot(ApplicationName="taxi", SnapshotName="mine")
    taken = wait_for(lambda: ready(service, "mine"), "the snapshot to be ready")
    assert taken["ApplicationVersionId"] == 4 and taken["RuntimeEnvironment"] == "FLINK-1_20"
    assert refusal(service.create_application_snapshot, ApplicationName="taxi", SnapshotName="mine")[0] == "ResourceInUseException"

    ended(service, service.stop_application(ApplicationName="taxi")["OperationId"])
    becomes(service, "READY")
    restore = {"ApplicationRestoreType": "RESTORE_FROM_CUSTOM_SNAPSHOT", "SnapshotName": "mine"}
    service.start_application(ApplicationName="taxi", RunConfiguration={"ApplicationRestoreConfiguration": restore})
    shown = becomes(service, "RUNNING")["ApplicationConfigurationDescription"]["RunConfigurationDescription"]
    assert shown["ApplicationRestoreConfigurationDescription"] == restore
    check(platform, generated[1])

    snapshot = service.describe_application_snapshot(ApplicationName="taxi", SnapshotName="mine")["SnapshotDetails"]
    wrong = {"ApplicationName": "taxi", "SnapshotName": "mine", "SnapshotCreationTimestamp": 1}
    assert refusal(service.delete_application_snapshot, **wrong)[0] == "InvalidArgumentException"
    service.delete_application_snapshot(**(wrong | {"SnapshotCreationTimestamp": snapshot["SnapshotCreationTimestamp"]}))
    assert refusal(service.describe_application_snapshot, ApplicationName="taxi", SnapshotName="mine")[0] == "ResourceNotFoundException"

    assert refusal(service.delete_application, ApplicationName="taxi", CreateTimestamp=1)[0] == "InvalidArgumentException"
    service.delete_application(ApplicationName="taxi", CreateTimestamp=detail(service)["CreateTimestamp"])
    wait_for(lambda: not service.list_applications()["ApplicationSummaries"], "the application to be gone")
    assert refusal(service.describe_application, ApplicationName="taxi")[0] == "ResourceNotFoundException"
    assert create(service)["ApplicationVersionId"] == 1


def ready(service, snapshot):
    details = service.describe_application_snapshot(ApplicationName="taxi", SnapshotName=snapshot)["SnapshotDetails"]
    return details["SnapshotStatus"] == "READY" and details


def test_code_that_keeps_drops_and_refuses_state(platform, generated):
    service = client(platform)
    create(service)
    service.start_application(ApplicationName="taxi")
    becomes(service, "RUNNING")
    fill(platform, generated[0])
    wait_for(lambda: keeps_groups(platform), "a checkpoint with groups")

    kept = update(service, config=code(TAXI.replace("HAVING COUNT(*) > 1", "HAVING COUNT(*) > 2")))
    assert ended(service, kept["OperationId"])["OperationStatus"] == "SUCCESSFUL"
    assert becomes(service, "RUNNING")["ApplicationVersionUpdatedFrom"] == 1

    refused = code(TAXI.replace("INTERVAL '1' HOUR", "INTERVAL '2' HOUR"))
    error, message = refusal(update, service=service, config=refused)
    assert error == "InvalidApplicationConfigurationException" and "operator pickup_count is refused: its windows were" in message
    assert "source trips (kept)" in message and detail(service)["ApplicationVersionId"] == 2
    error, message = refusal(update, service=service, config=code("SELEC 1"))
    assert error == "CodeValidationException" and "SELEC" in message
    error, message = refusal(update, service=service, config=code(TAXI.replace("'trips'", "'${stream}'")))
    assert error == "CodeValidationException" and "line 16, column 15: ${stream} is no property" in message

    allowed = update(service, config=refused, RunConfigurationUpdate={"FlinkRunConfiguration": {"AllowNonRestoredState": True}})
    assert ended(service, allowed["OperationId"])["OperationStatus"] == "SUCCESSFUL"
    assert becomes(service, "RUNNING")["ApplicationVersionId"] == 3

    back = service.rollback_application(ApplicationName="taxi", CurrentApplicationVersionId=3)
    assert ended(service, back["OperationId"])["OperationStatus"] == "SUCCESSFUL"
    shown = becomes(service, "RUNNING")
    assert (shown["ApplicationVersionId"], shown["ApplicationVersionRolledBackFrom"], shown["ApplicationVersionRolledBackTo"]) == (4, 3, 2)
    assert "> 2" in shown["ApplicationConfigurationDescription"]["ApplicationCodeConfigurationDescription"]["CodeContentDescription"]["TextContent"]
    former = service.describe_application_version(ApplicationName="taxi", ApplicationVersionId=3)["ApplicationVersionDetail"]
    assert former["ApplicationStatus"] == "ROLLED_BACK" and former["ApplicationVersionUpdatedFrom"] == 2
    statuses = {v["ApplicationVersionId"]: v["ApplicationStatus"] for v in
                service.list_application_versions(ApplicationName="taxi")["ApplicationVersionSummaries"]}
    assert statuses == {1: "RUNNING", 2: "RUNNING", 3: "ROLLED_BACK", 4: "RUNNING"}
    kinds = [o["Operation"] for o in service.list_application_operations(ApplicationName="taxi")["ApplicationOperationInfoList"]]
    assert kinds == ["RollbackApplication", "UpdateApplication", "UpdateApplication", "StartApplication"]
    assert refusal(service.rollback_application, ApplicationName="taxi", CurrentApplicationVersionId=4)[0] == "InvalidRequestException"


def keeps_groups(platform):
    done = subprocess.run([BINARY, "app", "state", "taxi", "--json", "--data-dir", str(platform.data_dir / "data")],
                          capture_output=True, text=True, timeout=60)
    return done.returncode == 0 and any(o["slices"] for o in json.loads(done.stdout)["operators"])


def test_a_version_that_does_not_come_up_is_rolled_back_by_itself(platform):
    service = client(platform)
    create(service, config=configuration(ApplicationSystemRollbackConfiguration={"RollbackEnabled": True}))
    service.start_application(ApplicationName="taxi")
    becomes(service, "RUNNING")
    # A stream that is not there is found by the start alone.
    changed = update(service, config=code(TAXI.replace("'stream' = 'trips'", "'stream' = 'elsewhere'")),
                     RunConfigurationUpdate={"ApplicationRestoreConfiguration": {"ApplicationRestoreType": "SKIP_RESTORE_FROM_SNAPSHOT"}})
    info = ended(service, changed["OperationId"])
    assert info["OperationStatus"] == "FAILED" and "elsewhere" in info["OperationFailureDetails"]["ErrorInfo"]["ErrorString"]
    assert info["ApplicationVersionChangeDetails"] == {"ApplicationVersionUpdatedFrom": 1, "ApplicationVersionUpdatedTo": 2}
    rollback = ended(service, info["OperationFailureDetails"]["RollbackOperationId"])
    assert (rollback["Operation"], rollback["OperationStatus"]) == ("RollbackApplication", "SUCCESSFUL")
    shown = becomes(service, "RUNNING")
    assert (shown["ApplicationVersionId"], shown["ApplicationVersionRolledBackTo"]) == (3, 1)


def test_changes_are_conditional(platform):
    service = client(platform)
    made = create(service)
    change = {"ApplicationName": "taxi", "ServiceExecutionRoleUpdate": ROLE + "2"}
    assert refusal(service.update_application, **change)[0] == "InvalidArgumentException"
    assert refusal(service.update_application, CurrentApplicationVersionId=2, **change)[0] == "ConcurrentModificationException"
    assert refusal(service.update_application, ConditionalToken="abc", **change)[0] == "ConcurrentModificationException"
    done = service.update_application(ConditionalToken=made["ConditionalToken"], **change)["ApplicationDetail"]
    assert (done["ApplicationVersionId"], done["ServiceExecutionRole"]) == (2, ROLE + "2")
    assert refusal(service.update_application, ConditionalToken=made["ConditionalToken"], **change)[0] == "ConcurrentModificationException"
    refused = refusal(service.rollback_application, ApplicationName="taxi", CurrentApplicationVersionId=1)
    assert refused[0] == "ConcurrentModificationException"


@pytest.mark.parametrize("members, code, text", [
    ({"ApplicationName": "a b"}, "InvalidArgumentException", "1 validation error detected: Value 'a b' at 'applicationName' failed to satisfy "
     "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
    ({"RuntimeEnvironment": "FLINK-9_9"}, "InvalidArgumentException", "at 'runtimeEnvironment' failed to satisfy constraint: Member must satisfy enum value set: [SQL-1_0,"),
    ({"RuntimeEnvironment": "SQL-1_0"}, "UnsupportedOperationException", "Use FLINK-1_20"),
    ({"ServiceExecutionRole": None}, "InvalidArgumentException", "Value null at 'serviceExecutionRole'"),
    ({"ApplicationDescription": "x" * 1025}, "InvalidArgumentException", "length less than or equal to 1024"),
    ({"ApplicationMode": "INTERACTIVE"}, "UnsupportedOperationException", "notebooks"),
    ({"ApplicationConfiguration": {}}, "InvalidArgumentException", "ApplicationCodeConfiguration has to be given"),
    ({"ApplicationConfiguration": {"ApplicationCodeConfiguration": {"CodeContentType": "ZIPFILE", "CodeContent": {"S3ContentLocation":
      {"BucketARN": "arn:aws:s3:::b", "FileKey": "k"}}}}}, "InvalidArgumentException", "name them with --code-buckets"),
    ({"ApplicationConfiguration": configuration(flink={"ParallelismConfiguration": {"ConfigurationType": "CUSTOM", "Parallelism": 0}})},
     "InvalidArgumentException", "Value '0' at 'applicationConfiguration.flinkApplicationConfiguration.parallelismConfiguration.parallelism'"),
    ({"ApplicationConfiguration": configuration(flink={"ParallelismConfiguration": {"ConfigurationType": "CUSTOM", "Parallelism": 33}})},
     "LimitExceededException", "33 KPUs are more than the quota of 32"),
    ({"ApplicationConfiguration": configuration(flink={"ParallelismConfiguration": {"ConfigurationType": "DEFAULT", "Parallelism": 2}})},
     "InvalidArgumentException", "CUSTOM"),
    ({"ApplicationConfiguration": configuration(flink={"ParallelismConfiguration": {"ConfigurationType": "CUSTOM", "ParallelismPerKPU": 9}})},
     "InvalidArgumentException", "per KPU 9 is not within 1 to 8"),
    ({"ApplicationConfiguration": configuration(flink={"CheckpointConfiguration": {"ConfigurationType": "CUSTOM", "CheckpointInterval": 99}})},
     "InvalidArgumentException", "99 ms is not within 100"),
    ({"ApplicationConfiguration": configuration(sql="SELECT")}, "CodeValidationException", "application taxi"),
    ({"ApplicationConfiguration": configuration(VpcConfigurations=[{"SubnetIds": ["s"], "SecurityGroupIds": ["g"]}])},
     "UnsupportedOperationException", "VpcConfigurations"),
    ({"Tags": [{"Key": f"k{i}"} for i in range(51)]}, "TooManyTagsException", "50 tags at most"),
    ({"Tags": [{"Key": "aws:x"}]}, "InvalidArgumentException", "reserved"),
])
def test_what_is_wrong_is_told_in_the_services_words(checked, members, code, text):
    request = {"ApplicationName": "taxi", "RuntimeEnvironment": "FLINK-1_20", "ServiceExecutionRole": ROLE,
               "ApplicationConfiguration": configuration()} | members
    told = refusal(checked.create_application, **{name: value for name, value in request.items() if value is not None})
    assert told[0] == code and text in told[1], told
    assert checked.list_applications()["ApplicationSummaries"] == []


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    platform = Platform(tmp_path_factory.mktemp("checked"), "--unlimited")
    yield unchecked(platform)
    platform.end()


def unchecked(platform):
    """A client that sends what is wrong, too."""
    return client(platform, parameter_validation=False)


def test_legacy_operations_are_refused_by_name(checked):
    for call in (checked.add_application_input, checked.add_application_output, checked.add_application_reference_data_source,
                 checked.add_application_input_processing_configuration, checked.delete_application_output, checked.discover_input_schema,
                 checked.delete_application_reference_data_source, checked.delete_application_input_processing_configuration,
                 checked.add_application_vpc_configuration, checked.delete_application_vpc_configuration):
        assert refusal(call)[0] == "UnsupportedOperationException"


def test_what_belongs_to_an_application_beside_its_code(platform):
    service = client(platform)
    create(service, CloudWatchLoggingOptions=[{"LogStreamARN": "arn:aws:logs:us-east-1:1:log-group:g:log-stream:a"}])
    assert detail(service)["CloudWatchLoggingOptionDescriptions"][0]["CloudWatchLoggingOptionId"] == "1.1"
    added = service.add_application_cloud_watch_logging_option(
        ApplicationName="taxi", CurrentApplicationVersionId=1, CloudWatchLoggingOption={"LogStreamARN": "arn:aws:logs:us-east-1:1:log-group:g:log-stream:b"})
    assert added["ApplicationVersionId"] == 2 and len(added["CloudWatchLoggingOptionDescriptions"]) == 2
    gone = service.delete_application_cloud_watch_logging_option(
        ApplicationName="taxi", CurrentApplicationVersionId=2, CloudWatchLoggingOptionId="1.1")
    assert [o["LogStreamARN"][-1] for o in gone["CloudWatchLoggingOptionDescriptions"]] == ["b"]
    assert refusal(service.delete_application_cloud_watch_logging_option, ApplicationName="taxi", CurrentApplicationVersionId=3,
                   CloudWatchLoggingOptionId="1.1")[0] == "ResourceNotFoundException"

    window = service.update_application_maintenance_configuration(
        ApplicationName="taxi", ApplicationMaintenanceConfigurationUpdate={"ApplicationMaintenanceWindowStartTimeUpdate": "20:30"})
    assert window["ApplicationMaintenanceConfigurationDescription"] == {
        "ApplicationMaintenanceWindowStartTime": "20:30", "ApplicationMaintenanceWindowEndTime": "04:30"}
    assert detail(service)["ApplicationMaintenanceConfigurationDescription"] == window["ApplicationMaintenanceConfigurationDescription"]

    service.tag_resource(ResourceARN=ARN, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b"}])
    service.untag_resource(ResourceARN=ARN, TagKeys=["b", "c"])
    assert service.list_tags_for_resource(ResourceARN=ARN)["Tags"] == [{"Key": "a", "Value": "1"}]
    assert refusal(service.tag_resource, ResourceARN=ARN, Tags=[{"Key": f"k{i}"} for i in range(50)])[0] == "TooManyTagsException"
    assert refusal(service.list_tags_for_resource, ResourceARN=ARN + "2")[0] == "ResourceNotFoundException"
    assert refusal(service.list_tags_for_resource, ResourceARN="arn:aws:s3:::b")[0] == "InvalidArgumentException"

    url = service.create_application_presigned_url(ApplicationName="taxi", UrlType="FLINK_DASHBOARD_URL")["AuthorizedUrl"]
    assert url == platform.addresses["console"] + "/?application=taxi"
    plan = detail(service, IncludeAdditionalDetails=True)["ApplicationConfigurationDescription"]["FlinkApplicationConfigurationDescription"]
    assert "pickup_count" in plan["JobPlanDescription"]
    assert detail(service)["ApplicationVersionId"] == 3, "what is beside versions makes none"


def test_lists_come_in_pages(platform):
    service = client(platform)
    for name in "abcde":
        create(service, name=name)
    names, token = [], None
    while True:
        page = service.list_applications(Limit=2, **({"NextToken": token} if token else {}))
        names += [s["ApplicationName"] for s in page["ApplicationSummaries"]]
        token = page.get("NextToken")
        if not token:
            break
    assert names == list("abcde")
    for _ in range(4):
        update(service, name="a", ServiceExecutionRoleUpdate=ROLE)
    for call, key in ((service.list_application_versions, "ApplicationVersionSummaries"), (service.list_application_operations, "ApplicationOperationInfoList")):
        found, token = [], None
        while True:
            page = call(ApplicationName="a", Limit=3, **({"NextToken": token} if token else {}))
            found += page[key]
            token = page.get("NextToken")
            if not token:
                break
        assert len(found) == (5 if key == "ApplicationVersionSummaries" else 4)
    first = service.list_application_versions(ApplicationName="a", Limit=1)["NextToken"]
    assert refusal(service.list_application_operations, ApplicationName="a", NextToken=first)[0] == "InvalidArgumentException"
    assert refusal(service.list_application_versions, ApplicationName="b", NextToken=first)[0] == "InvalidArgumentException"
    assert service.list_application_operations(ApplicationName="a", Operation="StopApplication")["ApplicationOperationInfoList"] == []


def test_properties_stand_in_for_their_names(platform, generated):
    service = client(platform)
    sql = TAXI.replace("'stream' = 'trips'", "'stream' = '${input}'").replace("'1' HOUR", "'${window.hours}' HOUR")
    groups = [{"PropertyGroupId": "FlinkApplicationProperties", "PropertyMap": {"input": "trips"}},
              {"PropertyGroupId": "window", "PropertyMap": {"hours": "1"}}]
    create(service, config=configuration(sql=sql, EnvironmentProperties={"PropertyGroups": groups}))
    service.start_application(ApplicationName="taxi")
    becomes(service, "RUNNING")
    fill(platform, generated[0])
    check(platform, generated[1])
    shown = detail(service)["ApplicationConfigurationDescription"]
    assert shown["EnvironmentPropertyDescriptions"]["PropertyGroupDescriptions"] == groups
    assert "${input}" in shown["ApplicationCodeConfigurationDescription"]["CodeContentDescription"]["TextContent"]


def test_the_command_line_of_aws_and_the_requests_as_printed(platform, tmp_path):
    def aws(*arguments, code=0):
        environment = os.environ | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        command = [sys.executable, "-m", "awscli", "kinesisanalyticsv2", *arguments, "--endpoint-url", platform.addresses["aws"], "--output", "json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
        assert (done.returncode == 0) == (code == 0), done.stdout + done.stderr
        return json.loads(done.stdout) if code == 0 and done.stdout.strip() else done.stderr

    # The request as it is printed in the service's pages: its booleans are texts, which only a client that does not check sends.
    printed = {"ApplicationName": "taxi", "RuntimeEnvironment": "FLINK-1_18", "ServiceExecutionRole": ROLE,
               "ApplicationConfiguration": configuration(flink={"ParallelismConfiguration": {
                   "AutoScalingEnabled": "true", "ConfigurationType": "CUSTOM", "Parallelism": 4, "ParallelismPerKPU": 4}})}
    raw = unchecked(platform)
    raw.create_application(**printed)
    raw.update_application(ApplicationName="taxi", CurrentApplicationVersionId=1, ApplicationConfigurationUpdate=sized(4, 4, auto="true"))
    raw.update_application(ApplicationName="taxi", CurrentApplicationVersionId=2, ApplicationConfigurationUpdate=sized(6, 2, auto="false"))
    shown = aws("describe-application", "--application-name", "taxi")["ApplicationDetail"]
    assert parallelism(shown) == {"ConfigurationType": "CUSTOM", "Parallelism": 6, "ParallelismPerKPU": 2, "CurrentParallelism": 6,
                                  "AutoScalingEnabled": False}
    document = tmp_path / "create.json"
    document.write_text(json.dumps(printed | {"ApplicationName": "other", "ApplicationConfiguration": configuration()}))
    aws("create-application", "--cli-input-json", document.as_uri())
    assert aws("start-application", "--application-name", "other", "--run-configuration", "{}")["OperationId"]
    becomes(client(platform), "RUNNING", "other")
    aws("create-application-snapshot", "--application-name", "other", "--snapshot-name", "s")
    names = [s["ApplicationName"] for s in aws("list-applications")["ApplicationSummaries"]]
    assert names == ["other", "taxi"]
    aws("stop-application", "--application-name", "other", "--force")
    made = becomes(client(platform), "READY", "other")["CreateTimestamp"]
    aws("delete-application", "--application-name", "other", "--create-timestamp", str(made.timestamp()))
    assert "ResourceNotFoundException" in aws("start-application", "--application-name", "nobody", code=1)


def test_everything_is_found_again_after_a_kill(start, platform, generated):
    service = client(platform)
    create(service, Tags=[{"Key": "a", "Value": "b"}])
    create(service, name="resting")
    service.start_application(ApplicationName="taxi")
    becomes(service, "RUNNING")
    fill(platform, generated[0])
    ended(service, update(service, config=sized(2, 1))["OperationId"])
    wait_for(lambda: keeps_groups(platform), "a checkpoint with groups")
    changed = update(service, config=code(TAXI + "\n"))
    platform.end(signal.SIGKILL)

    again = client(start("--unlimited"))
    assert ended(again, changed["OperationId"])["OperationStatus"] == "SUCCESSFUL"
    shown = becomes(again, "RUNNING")
    assert (shown["ApplicationVersionId"], parallelism(shown)["CurrentParallelism"]) == (3, 2)
    assert shown["ApplicationConfigurationDescription"]["ApplicationCodeConfigurationDescription"]["CodeContentDescription"]["TextContent"] == TAXI + "\n"
    assert again.list_tags_for_resource(ResourceARN=ARN)["Tags"] == [{"Key": "a", "Value": "b"}]
    assert detail(again, "resting")["ApplicationStatus"] == "READY"
    kinds = [o["Operation"] for o in again.list_application_operations(ApplicationName="taxi")["ApplicationOperationInfoList"]]
    assert kinds == ["UpdateApplication", "UpdateApplication", "StartApplication"]


def constraints(service, shape, path=()):
    """Each constraint of the model on a member that is looked into: where it stands, and a value that breaks it."""
    model = service.meta.service_model.shape_for(shape) if isinstance(shape, str) else shape
    left_out = {"SqlApplicationConfiguration", "ZeppelinApplicationConfiguration", "VpcConfigurations",
                "SqlApplicationConfigurationUpdate", "ZeppelinApplicationConfigurationUpdate", "VpcConfigurationUpdates",
                "SqlRunConfigurations", "KeyId", "KeyIdUpdate"}
    for name, member in model.members.items():
        if name in left_out:
            continue
        here, meta = (*path, name), member.metadata
        if member.type_name == "structure":
            yield from constraints(service, member, here)
        elif member.type_name == "string" and member.enum:
            yield here, "NO_SUCH_WORD", "satisfy enum value set"
        elif member.type_name == "string":
            if "max" in meta:
                yield here, "arn:" + "x" * meta["max"], f"length less than or equal to {meta['max']}"
            if meta.get("pattern"):
                yield here, "é !", f"satisfy regular expression pattern: {meta['pattern']}"
        elif member.type_name in ("integer", "long"):
            if "min" in meta:
                yield here, meta["min"] - 1, f"value greater than or equal to {meta['min']}"
            if "max" in meta:
                yield here, meta["max"] + 1, f"value less than or equal to {meta['max']}"


@pytest.mark.parametrize("operation", [
    "CreateApplication", "UpdateApplication", "DescribeApplication", "DescribeApplicationVersion", "ListApplications",
    "ListApplicationVersions", "DeleteApplication", "StartApplication", "StopApplication", "RollbackApplication",
    "CreateApplicationSnapshot", "DescribeApplicationSnapshot", "ListApplicationSnapshots", "DeleteApplicationSnapshot",
    "AddApplicationCloudWatchLoggingOption", "DeleteApplicationCloudWatchLoggingOption", "CreateApplicationPresignedUrl",
    "DescribeApplicationOperation", "ListApplicationOperations", "UpdateApplicationMaintenanceConfiguration", "TagResource",
    "UntagResource", "ListTagsForResource"])
def test_every_constraint_of_the_model_is_held(checked, operation):
    shape = checked.meta.service_model.operation_model(operation).input_shape
    call = getattr(checked, xform_name(operation))
    for name in shape.required_members:
        told = refusal(call)
        assert f"Value null at '{name[0].lower() + name[1:]}' failed to satisfy constraint: Member must not be null" in told[1], told
    for path, value, constraint in constraints(checked, shape):
        request = value
        for name in reversed(path):
            request = {name: request}
        error, message = refusal(call, **request)
        where = ".".join(name[0].lower() + name[1:] for name in path)
        assert error == "InvalidArgumentException" and f"at '{where}' failed to satisfy constraint: Member must " in message, (path, message)
        assert constraint in message, (path, message)
