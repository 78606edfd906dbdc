import {
  type CloudWatchClient,
  DescribeAlarmsCommand,
  GetMetricDataCommand,
  type MetricDataQuery,
} from '@aws-sdk/client-cloudwatch';

export type AskedMetric = {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic: 'Sum' | 'SampleCount' | 'Maximum';
};

export type Span = { readonly from: Date; readonly to: Date; readonly periodSeconds: number };

/** Values of one metric, the newest first; none where nothing was measured. */
export type MetricValues = readonly number[];

/**
 * What CloudWatch has of the metrics, in the order in which they were asked for. Needs cloudwatch:GetMetricData; AWS takes $0.01 for 1,000
 * metrics. At most 500 at once.
 * @throws Error when CloudWatch could not say.
 */
export async function readMetrics(
  client: CloudWatchClient,
  asked: readonly AskedMetric[],
  { from, to, periodSeconds }: Span,
): Promise<readonly MetricValues[]> {
  const queries = asked.map(({ namespace, name, dimensions, statistic }, index): MetricDataQuery => {
    const Dimensions = Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));
    const Metric = { Namespace: namespace, MetricName: name, Dimensions };
    return { Id: `m${index}`, MetricStat: { Metric, Period: periodSeconds, Stat: statistic } };
  });
  const values = new Map<string | undefined, number[]>();
  let NextToken: string | undefined;
  do {
    const answer = await client.send(
      new GetMetricDataCommand({
        MetricDataQueries: queries,
        StartTime: from,
        EndTime: to,
        ScanBy: 'TimestampDescending',
        NextToken,
      }),
    );
    for (const { Id, StatusCode, Values = [], Messages: [message] = [] } of answer.MetricDataResults ?? []) {
      if (StatusCode === 'InternalError' || StatusCode === 'Forbidden')
        throw new Error(`CloudWatch could not read a metric: ${message?.Value ?? StatusCode}. Try again later.`);
      values.set(Id, [...(values.get(Id) ?? []), ...Values]);
    }
    ({ NextToken } = answer);
  } while (NextToken);
  return queries.map(({ Id }) => values.get(Id) ?? []);
}

export type WatchedAlarm = {
  /** As infra/watch.ts calls it: OldestJob. */
  readonly name: string;
  readonly state: 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';
  readonly description: string;
  /** When it came into this state; null: CloudWatch does not say. */
  readonly since: string | null;
};

/** Alarms of a deployed stack, by name. One request for each hundred; needs cloudwatch:DescribeAlarms. */
export async function readAlarms(client: CloudWatchClient, stackName: string): Promise<readonly WatchedAlarm[]> {
  // CloudFormation makes their names: stack, logical id with the CDK's eight digits, its own digits.
  const prefix = `${stackName}-Watch`;
  const alarms: WatchedAlarm[] = [];
  let NextToken: string | undefined;
  do {
    const answer = await client.send(
      new DescribeAlarmsCommand({ AlarmNamePrefix: prefix, AlarmTypes: ['MetricAlarm'], NextToken }),
    );
    for (const alarm of answer.MetricAlarms ?? []) {
      const { AlarmName = '', StateValue = 'INSUFFICIENT_DATA', AlarmDescription = '' } = alarm;
      const since = alarm.StateTransitionedTimestamp ?? alarm.StateUpdatedTimestamp;
      alarms.push({
        name: AlarmName.slice(prefix.length).replace(/[0-9A-F]{8}-[^-]*$/, ''),
        state: StateValue,
        description: AlarmDescription,
        since: since?.toISOString() ?? null,
      });
    }
    ({ NextToken } = answer);
  } while (NextToken);
  return alarms.sort((a, b) => a.name.localeCompare(b.name, 'en'));
}
