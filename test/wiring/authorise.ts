import type { Statement } from './cloud-plan.ts';

/** One thing that a request asks for. `context` holds the condition keys that the request carries. */
export type Asked = {
  readonly action: string;
  readonly resource: string;
  readonly context: Readonly<Record<string, string>>;
};

/** As IAM decides: allowed by a statement, and denied by none. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html */
export function isAllowed(asked: Asked, statements: readonly Statement[]): boolean {
  const applying = statements.filter((statement) => applies(statement, asked));
  return applying.some(({ effect }) => effect === 'Allow') && !applying.some(({ effect }) => effect === 'Deny');
}

function applies({ actions, resources, condition }: Statement, { action, resource, context }: Asked): boolean {
  return (
    actions.some((pattern) => isLike(action, pattern)) &&
    resources.some((pattern) => isLike(resource, pattern)) &&
    Object.entries(condition).every(([operator, keys]) =>
      Object.entries(keys).every(([key, expected]) => holds(operator, context[key], [expected].flat())),
    )
  );
}

function holds(operator: string, actual: string | undefined, expected: readonly string[]): boolean {
  switch (operator) {
    case 'StringLikeIfExists':
      return actual === undefined || expected.some((pattern) => isLike(actual, pattern));
    case 'Bool':
    case 'StringEquals':
      return actual !== undefined && expected.includes(actual);
    case 'Null':
      return expected.includes(String(actual === undefined));
    case 'NumericLessThan':
      return actual !== undefined && Number(actual) < Number(expected[0]);
    default:
      throw new Error(`Expected a condition operator that this evaluates but received ${operator}.`);
  }
}

function isLike(value: string, pattern: string): boolean {
  const escaped = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('.*')}$`, 's').test(value);
}
