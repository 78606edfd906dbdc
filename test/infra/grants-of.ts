import { z } from 'zod';

const statementSchema = z.object({
  Effect: z.string(),
  Action: z.union([z.string(), z.array(z.string())]),
  Resource: z.unknown(),
  Condition: z.unknown().optional(),
});
const policySchema = z.object({
  Type: z.literal('AWS::IAM::Policy'),
  Properties: z.object({
    PolicyDocument: z.object({ Statement: z.array(statementSchema) }),
    Roles: z.array(z.object({ Ref: z.string() })),
  }),
});

/** Who may do what on which, in lines to read: `BucketsPhotos/photos/*: s3:GetObject`, by the role's name without its hash. */
export function grantsOf(resources: Readonly<Record<string, unknown>>): Record<string, string[]> {
  const grants: Record<string, string[]> = {};
  for (const resource of Object.values(resources)) {
    const policy = policySchema.safeParse(resource).data?.Properties;
    for (const { Ref } of policy?.Roles ?? []) {
      const lines = (policy?.PolicyDocument.Statement ?? []).map(({ Effect, Action, Resource, Condition }) => {
        const condition = Condition === undefined ? '' : ` if ${JSON.stringify(Condition)}`;
        return `${Effect === 'Allow' ? '' : `${Effect} `}${targets(Resource).join(', ')}: ${[Action].flat().join(', ')}${condition}`;
      });
      const role = plainName(Ref);
      grants[role] = [...(grants[role] ?? []), ...lines];
    }
  }
  return grants;
}

/** A logical id without the hash that the CDK puts behind it. */
export const plainName = (logicalId: string): string => logicalId.replace(/[0-9A-F]{8}$/, '');

function targets(resource: unknown): string[] {
  if (Array.isArray(resource)) return resource.flatMap(targets);
  return [text(resource)];
}

const joinSchema = z.object({ 'Fn::Join': z.tuple([z.string(), z.array(z.unknown())]) });
const attributeSchema = z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.string()]) });
const referenceSchema = z.object({ Ref: z.string() });

/** What CloudFormation would make of it, with names in place of ARNs. */
export function text(value: unknown): string {
  if (typeof value === 'string') return value;
  const join = joinSchema.safeParse(value).data?.['Fn::Join'];
  if (join) return join[1].map(text).join(join[0]);
  const attribute = attributeSchema.safeParse(value).data?.['Fn::GetAtt'];
  if (attribute) return plainName(attribute[0]);
  const reference = referenceSchema.safeParse(value).data?.Ref;
  return reference === undefined ? JSON.stringify(value) : plainName(reference);
}
