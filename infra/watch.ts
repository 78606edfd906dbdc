import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { CfnBudget } from 'aws-cdk-lib/aws-budgets';
import {
  Alarm,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IMetric,
  Metric,
  SingleValueWidget,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { MetricName } from '../lambdas/observe.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import type { Settings } from './settings.ts';

export type WatchProps = {
  readonly settings: Settings;
  readonly functions: Readonly<Record<'check' | 'unmask' | 'record' | 'catalogue' | 'reconcile', PipelineFunction>>;
  readonly queues: Readonly<Record<'jobs' | 'deadLetters' | 'records' | 'lost', Queue>>;
};

type AlarmProps = {
  readonly metric: IMetric;
  readonly above: number;
  readonly periods?: number;
  readonly description: string;
};

const period = Duration.minutes(5);

/** What one looks at and is woken by. Every alarm's description says what to do. */
export class Watch extends Construct {
  readonly dashboard: Dashboard;
  private readonly topic: Topic | undefined;

  constructor(scope: Construct, id: string, { settings, functions, queues }: WatchProps) {
    super(scope, id);
    const { email, monthlyBudgetUsd, oldestJobMinutes } = settings;
    this.topic = email === '' ? undefined : new Topic(this, 'Alarms', { enforceSSL: true });
    this.topic?.addSubscription(new EmailSubscription(email));

    this.alarm('DeadLetters', {
      metric: business('DeadLetters'),
      above: 0,
      description:
        'Photos failed for good. Their records say why (status failed); `npm run unmask -- redrive` tries them again.',
    });
    this.alarm('DeadLettersWaiting', {
      metric: queues.deadLetters.metricApproximateAgeOfOldestMessage({ period, statistic: 'Maximum' }),
      above: Duration.hours(1).toSeconds(),
      description:
        'A dead letter cannot be recorded. Look at the log of the Record function; the letter is kept for 14 days.',
    });
    this.alarm('RecordsLost', {
      metric: queues.lost.metricApproximateNumberOfMessagesVisible({ period, statistic: 'Maximum' }),
      above: 0,
      description: 'Records did not reach the manifest. Mend the Catalogue function, then redrive this queue.',
    });
    this.alarm('OldestJob', {
      metric: queues.jobs.metricApproximateAgeOfOldestMessage({ period, statistic: 'Maximum' }),
      above: Duration.minutes(oldestJobMinutes).toSeconds(),
      description:
        'Photos wait too long to be unmasked. Raise maxConcurrency, or look at the log of the Unmask function.',
    });
    this.alarm('ManifestBehind', {
      metric: queues.records.metricApproximateAgeOfOldestMessage({ period, statistic: 'Maximum' }),
      above: Duration.minutes(15).toSeconds(),
      description:
        'The manifest is more than 15 minutes behind the records. Look at the log of the Catalogue function.',
    });
    for (const [name, { function: fn, timeout }] of Object.entries(functions)) {
      const title = `${name[0]?.toUpperCase()}${name.slice(1)}`;
      this.alarm(`${title}Errors`, {
        metric: fn.metricErrors({ period }),
        above: 0,
        description: `The ${name} function threw. AWS tries again; when it goes on, look at its log.`,
      });
      this.alarm(`${title}Throttles`, {
        metric: fn.metricThrottles({ period }),
        above: 0,
        periods: 3,
        description: `The ${name} function is held back by the account's concurrency. Lower maxConcurrency or ask AWS for a higher quota.`,
      });
      if (name === 'reconcile') continue; // Its length is the number of photos, not a sign of trouble.
      this.alarm(`${title}Slow`, {
        metric: fn.metricDuration({ period, statistic: 'p95' }),
        above: 0.8 * timeout.toMilliseconds(),
        description: `The ${name} function takes more than 80 % of its timeout for one invocation in twenty. Raise the timeout or the memory.`,
      });
    }

    this.dashboard = this.draw(functions, queues);
    if (monthlyBudgetUsd > 0) this.budget(monthlyBudgetUsd, email);
  }

  private alarm(id: string, { metric, above, periods = 1, description }: AlarmProps): void {
    const alarm = new Alarm(this, id, {
      metric,
      threshold: above,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: periods,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription: description,
    });
    if (this.topic) alarm.addAlarmAction(new SnsAction(this.topic));
  }

  private draw({ check, unmask, catalogue }: WatchProps['functions'], queues: WatchProps['queues']): Dashboard {
    const statuses = ['Unmasked', 'Bare', 'NoFace', 'Rejected', 'Failed'] as const;
    const photos = statuses.map((status) => business(`Photos${status}`));
    const stages = ['decodeMs', 'localiseMs', 'denoiseMs', 'unmaskMs', 'pasteMs', 'encodeMs'] as const;
    const dashboard = new Dashboard(this, 'Dashboard', { defaultInterval: Duration.days(1) });
    dashboard.applyRemovalPolicy(RemovalPolicy.DESTROY);
    dashboard.addWidgets(
      new SingleValueWidget({
        title: 'Photos by status',
        metrics: [...photos, business('FacesUnmasked')],
        setPeriodToTimeRange: true,
        width: 16,
      }),
      new SingleValueWidget({
        title: 'Compute per photo, USD',
        metrics: [business('CostUsd', 'Average')],
        setPeriodToTimeRange: true,
        width: 8,
      }),
    );
    dashboard.addWidgets(
      new GraphWidget({ title: 'Photos by status', left: photos, stacked: true, width: 12 }),
      new GraphWidget({
        title: 'Milliseconds per stage, p95',
        left: stages.map((stage) => business(stage, 'p95')),
        width: 12,
      }),
    );
    dashboard.addWidgets(
      new GraphWidget({
        title: 'Waiting',
        left: Object.values(queues).map((queue) => queue.metricApproximateNumberOfMessagesVisible({ period })),
        width: 8,
      }),
      new GraphWidget({
        title: 'Oldest waiting, s',
        left: [queues.jobs, queues.records].map((queue) =>
          queue.metricApproximateAgeOfOldestMessage({ period, statistic: 'Maximum' }),
        ),
        width: 8,
      }),
      new GraphWidget({
        title: 'Duration, p95, ms',
        left: [check, unmask, catalogue].map(({ function: fn }) => fn.metricDuration({ period, statistic: 'p95' })),
        width: 8,
      }),
    );
    return dashboard;
  }

  private budget(limit: number, email: string): void {
    const subscribers = [{ subscriptionType: 'EMAIL', address: email }];
    const notify = (notificationType: 'ACTUAL' | 'FORECASTED', threshold: number) => ({
      notification: { notificationType, threshold, comparisonOperator: 'GREATER_THAN', thresholdType: 'PERCENTAGE' },
      subscribers,
    });
    new CfnBudget(this, 'Budget', {
      budget: { budgetType: 'COST', timeUnit: 'MONTHLY', budgetLimit: { amount: limit, unit: 'USD' } },
      notificationsWithSubscribers: [notify('ACTUAL', 80), notify('FORECASTED', 100)],
    });
  }
}

/** A metric that the functions write themselves (lambdas/observe.ts). */
function business(metricName: MetricName, statistic = 'Sum'): Metric {
  return new Metric({ namespace: 'Unmask', metricName, dimensionsMap: { service: 'unmask' }, statistic, period });
}
