-- TIMESTAMPADD by every unit, negative too; the last day of a month stays in the month.
CREATE TABLE t (
  id INT, a TIMESTAMP(3), n INT
) WITH ('connector'='filesystem','path'='input/t.ndjson','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE answers (
  id INT, c1 TIMESTAMP(3), c2 TIMESTAMP(3), c3 TIMESTAMP(3), c4 TIMESTAMP(3), c5 TIMESTAMP(3), c6 TIMESTAMP(3), c7 TIMESTAMP(3), c8 TIMESTAMP(3)
) WITH ('connector'='filesystem','path'='out/answers','format'='json','json.timestamp-format.standard'='ISO-8601');
INSERT INTO answers SELECT id,
  TIMESTAMPADD(SECOND, n, a),
  TIMESTAMPADD(MINUTE, n, a),
  TIMESTAMPADD(HOUR, n, a),
  TIMESTAMPADD(DAY, n, a),
  TIMESTAMPADD(WEEK, n, a),
  TIMESTAMPADD(MONTH, n, a),
  TIMESTAMPADD(QUARTER, n, a),
  TIMESTAMPADD(YEAR, n, a)
FROM t;
