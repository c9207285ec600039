// Queues, topics, metrics, secrets, parameters, schedules, APIs and streams with the SDK for JavaScript, unmodified.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import {
  APIGatewayClient,
  CreateDeploymentCommand,
  CreateRestApiCommand,
  GetResourcesCommand,
  NotFoundException,
  PutIntegrationCommand,
  PutIntegrationResponseCommand,
  PutMethodCommand,
  PutMethodResponseCommand,
} from '@aws-sdk/client-api-gateway';
import {
  CloudWatchClient,
  GetMetricDataCommand,
  GetMetricStatisticsCommand,
  InvalidParameterCombinationException,
  PutMetricDataCommand,
  paginateListMetrics,
} from '@aws-sdk/client-cloudwatch';
import { CreateTableCommand, DeleteItemCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import {
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
  ResourceNotFoundException as NoSuchStream,
} from '@aws-sdk/client-dynamodb-streams';
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { ConflictException as PipeExists, CreatePipeCommand, DescribePipeCommand, NotFoundException as NoSuchPipe, PipesClient } from '@aws-sdk/client-pipes';
import {
  ConflictException as ScheduleExists,
  CreateScheduleCommand,
  GetScheduleCommand,
  ResourceNotFoundException as NoSuchSchedule,
  SchedulerClient,
} from '@aws-sdk/client-scheduler';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceNotFoundException as NoSuchSecret,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { CreateTopicCommand, NotFoundException as NoSuchTopic, PublishCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  QueueDoesNotExist,
  ReceiptHandleIsInvalid,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs';
import { GetParameterCommand, ParameterAlreadyExists, ParameterNotFound, PutParameterCommand, SSMClient, paginateGetParametersByPath } from '@aws-sdk/client-ssm';
import { AwsJson1_0Protocol, AwsQueryProtocol, AwsSmithyRpcV2CborProtocol } from '@aws-sdk/core/protocols';

import { start, until } from './program.js';

let server;
let sqs;

before(async () => {
  server = await start();
  sqs = new SQSClient(server.client);
});

after(async () => {
  assert.equal(await server.stop(), 0);
});

async function queue(QueueName, Attributes = {}) {
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName, Attributes }));
  const asked = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] });
  return { QueueUrl, arn: (await sqs.send(asked)).Attributes.QueueArn };
}

async function role(RoleName, service, Action) {
  const iam = new IAMClient(server.client);
  const trust = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }] };
  const made = await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: JSON.stringify(trust) }));
  const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] };
  await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'own', PolicyDocument: JSON.stringify(policy) }));
  return made.Role.Arn;
}

test('messages are sent, received and deleted, and what the SDK checks of them is right', async () => {
  const { QueueUrl } = await queue('js');
  const attributes = { n: { DataType: 'Number', StringValue: '7' }, b: { DataType: 'Binary', BinaryValue: new Uint8Array([0, 255]) } };
  // The SDK compares the MD5 of bodies and attributes itself.
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'á "one"', MessageAttributes: attributes }));
  const batch = await sqs.send(new SendMessageBatchCommand({
    QueueUrl,
    Entries: [{ Id: 'a', MessageBody: 'two' }, { Id: 'b', MessageBody: 'three', DelaySeconds: 901 }],
  }));
  assert.deepEqual(batch.Successful.map(({ Id }) => Id), ['a']);
  assert.equal(batch.Failed[0].Code, 'InvalidParameterValue');
  const { Messages } = await sqs.send(new ReceiveMessageCommand({
    QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'], MessageSystemAttributeNames: ['All'], WaitTimeSeconds: 5,
  }));
  assert.deepEqual(Messages.map(({ Body }) => Body).sort(), ['two', 'á "one"']);
  const one = Messages.find(({ Body }) => Body !== 'two');
  assert.deepEqual([one.MessageAttributes.n.StringValue, [...one.MessageAttributes.b.BinaryValue]], ['7', [0, 255]]);
  assert.equal(one.Attributes.ApproximateReceiveCount, '1');
  const entries = Messages.map(({ ReceiptHandle }, n) => ({ Id: `${n}`, ReceiptHandle }));
  assert.equal((await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: entries }))).Successful.length, 2);
});

test('errors of queues are of the classes of the SDK', async () => {
  const { QueueUrl } = await queue('js-errors');
  const nowhere = new SendMessageCommand({ QueueUrl: `${QueueUrl}-nowhere`, MessageBody: 'x' });
  await assert.rejects(sqs.send(nowhere), (error) => error instanceof QueueDoesNotExist && error.message === 'The specified queue does not exist.');
  const hidden = new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle: 'nonsense', VisibilityTimeout: 1 });
  await assert.rejects(sqs.send(hidden), ReceiptHandleIsInvalid);
});

test('a published message is in the queue when Publish answers', async () => {
  const sns = new SNSClient(server.client);
  const { QueueUrl, arn } = await queue('js-subscribed');
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'js' }));
  const policy = { Statement: [{ Effect: 'Allow', Principal: { Service: 'sns.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: arn }] };
  await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy: JSON.stringify(policy) } }));
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: arn, Attributes: { RawMessageDelivery: 'true', FilterPolicy: '{"kind":["wanted"]}' } }));
  for (const kind of ['unwanted', 'wanted']) {
    const MessageAttributes = { kind: { DataType: 'String', StringValue: kind } };
    await sns.send(new PublishCommand({ TopicArn, Message: kind, MessageAttributes }));
  }
  const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
  assert.deepEqual(Messages.map(({ Body }) => Body), ['wanted']);
  await assert.rejects(sns.send(new PublishCommand({ TopicArn: `${TopicArn}-nowhere`, Message: 'x' })), NoSuchTopic);
});

for (const [name, protocol] of [['JSON', AwsJson1_0Protocol], ['query', AwsQueryProtocol], ['CBOR', AwsSmithyRpcV2CborProtocol]]) {
  test(`metrics are put, found and computed with in ${name}`, async () => {
    const cloudwatch = new CloudWatchClient({ ...server.client, protocol });
    const Namespace = `Js/${name}`;
    const Timestamp = new Date(Math.floor(Date.now() / 60_000) * 60_000);
    const dimension = (Value) => [{ Name: 'kind', Value }];
    await cloudwatch.send(new PutMetricDataCommand({
      Namespace,
      MetricData: [
        { MetricName: 'took', Dimensions: dimension('a'), Timestamp, Unit: 'Milliseconds', Values: [10, 20.5], Counts: [3, 1] },
        { MetricName: 'took', Dimensions: dimension('b'), Timestamp, Unit: 'Milliseconds', Value: 100 },
        { MetricName: 'took', Dimensions: dimension('a'), Timestamp, StatisticValues: { SampleCount: 2, Sum: 9, Minimum: 4, Maximum: 5 } },
      ],
    }));
    const found = [];
    for await (const page of paginateListMetrics({ client: cloudwatch }, { Namespace })) found.push(...page.Metrics);
    assert.deepEqual(found.map(({ Dimensions }) => Dimensions[0].Value).sort(), ['a', 'b']);
    const span = { StartTime: new Date(Timestamp - 60_000), EndTime: new Date(+Timestamp + 120_000) };
    const statistics = await cloudwatch.send(new GetMetricStatisticsCommand({
      Namespace, MetricName: 'took', Dimensions: dimension('a'), Period: 60, Statistics: ['Sum', 'SampleCount', 'Maximum'], ...span,
    }));
    assert.equal(statistics.Datapoints.reduce((sum, { Sum }) => sum + Sum, 0), 59.5);
    assert.deepEqual(statistics.Datapoints[0].Timestamp, Timestamp);
    const stat = (kind) => ({ Metric: { Namespace, MetricName: 'took', Dimensions: dimension(kind) }, Period: 60, Stat: 'Sum' });
    const data = await cloudwatch.send(new GetMetricDataCommand({
      ...span,
      MetricDataQueries: [
        { Id: 'a', MetricStat: stat('a'), ReturnData: false },
        { Id: 'b', MetricStat: stat('b'), ReturnData: false },
        { Id: 'sum', Expression: 'a + b', Label: 'both' },
      ],
    }));
    assert.deepEqual(data.MetricDataResults.map(({ Id, Label, Values }) => [Id, Label, Values]), [['sum', 'both', [159.5]]]);
    const both = new PutMetricDataCommand({
      Namespace, MetricData: [{ MetricName: 'm', Value: 1, StatisticValues: { SampleCount: 1, Sum: 1, Minimum: 1, Maximum: 1 } }],
    });
    await assert.rejects(cloudwatch.send(both), InvalidParameterCombinationException);
  });
}

test('secrets have versions, and parameters a hierarchy', async () => {
  const secrets = new SecretsManagerClient(server.client);
  const { ARN } = await secrets.send(new CreateSecretCommand({ Name: 'js', SecretString: 'one' }));
  await secrets.send(new PutSecretValueCommand({ SecretId: ARN, SecretBinary: new Uint8Array([1, 2]) }));
  assert.deepEqual([...(await secrets.send(new GetSecretValueCommand({ SecretId: 'js' }))).SecretBinary], [1, 2]);
  const previous = new GetSecretValueCommand({ SecretId: 'js', VersionStage: 'AWSPREVIOUS' });
  assert.equal((await secrets.send(previous)).SecretString, 'one');
  await assert.rejects(secrets.send(new GetSecretValueCommand({ SecretId: 'nowhere' })), NoSuchSecret);

  const ssm = new SSMClient(server.client);
  for (const name of ['b', 'a', 'deep/c']) {
    await ssm.send(new PutParameterCommand({ Name: `/js/${name}`, Type: 'String', Value: name }));
  }
  const found = [];
  for await (const page of paginateGetParametersByPath({ client: ssm, pageSize: 1 }, { Path: '/js', Recursive: true })) found.push(...page.Parameters);
  assert.deepEqual(found.map(({ Value }) => Value).sort(), ['a', 'b', 'deep/c']);
  await assert.rejects(ssm.send(new PutParameterCommand({ Name: '/js/a', Type: 'String', Value: 'x' })), ParameterAlreadyExists);
  await assert.rejects(ssm.send(new GetParameterCommand({ Name: '/js/nowhere' })), ParameterNotFound);
});

test('a schedule sends its message once', async () => {
  const scheduler = new SchedulerClient(server.client);
  const { QueueUrl, arn } = await queue('js-scheduled');
  const RoleArn = await role('js-scheduler', 'scheduler.amazonaws.com', 'sqs:SendMessage');
  // Later than it is made, also where that takes a while.
  const at = new Date(Date.now() + 5_000).toISOString().slice(0, 19);
  const schedule = {
    Name: 'js', ScheduleExpression: `at(${at})`, FlexibleTimeWindow: { Mode: 'OFF' }, Target: { Arn: arn, RoleArn, Input: 'now' },
  };
  await scheduler.send(new CreateScheduleCommand(schedule));
  await assert.rejects(scheduler.send(new CreateScheduleCommand(schedule)), ScheduleExists);
  assert.equal((await scheduler.send(new GetScheduleCommand({ Name: 'js' }))).ScheduleExpression, `at(${at})`);
  const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
  assert.deepEqual(Messages.map(({ Body }) => Body), ['now']);
  await assert.rejects(scheduler.send(new GetScheduleCommand({ Name: 'nowhere' })), NoSuchSchedule);
});

test('an API answers as it was deployed', async () => {
  const gateway = new APIGatewayClient(server.client);
  const { id: restApiId } = await gateway.send(new CreateRestApiCommand({ name: 'js' }));
  const [{ id: resourceId }] = (await gateway.send(new GetResourcesCommand({ restApiId }))).items;
  const method = { restApiId, resourceId, httpMethod: 'GET' };
  await gateway.send(new PutMethodCommand({ ...method, authorizationType: 'NONE' }));
  await gateway.send(new PutMethodResponseCommand({ ...method, statusCode: '200' }));
  await gateway.send(new PutIntegrationCommand({ ...method, type: 'MOCK', requestTemplates: { 'application/json': '{"statusCode": 200}' } }));
  const responseTemplates = { 'application/json': '{"from": "$context.stage"}' };
  await gateway.send(new PutIntegrationResponseCommand({ ...method, statusCode: '200', responseTemplates }));
  await gateway.send(new CreateDeploymentCommand({ restApiId, stageName: 'live' }));
  const answer = await fetch(`${server.client.endpoint}/restapis/${restApiId}/live/_user_request_/`);
  assert.deepEqual([answer.status, await answer.json()], [200, { from: 'live' }]);
  await assert.rejects(gateway.send(new GetResourcesCommand({ restApiId: 'nowhere' })), NotFoundException);
});

test('a stream tells the changes of an item in order', async () => {
  const tables = new DynamoDBClient(server.client);
  const streams = new DynamoDBStreamsClient(server.client);
  const made = await tables.send(new CreateTableCommand({
    TableName: 'js-stream',
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
  }));
  const StreamArn = made.TableDescription.LatestStreamArn;
  for (const n of ['1', '2']) {
    await tables.send(new PutItemCommand({ TableName: 'js-stream', Item: { id: { S: 'a' }, n: { N: n } } }));
  }
  await tables.send(new DeleteItemCommand({ TableName: 'js-stream', Key: { id: { S: 'a' } } }));
  const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn }));
  const told = [];
  for (const { ShardId } of StreamDescription.Shards) {
    const asked = new GetShardIteratorCommand({ StreamArn, ShardId, ShardIteratorType: 'TRIM_HORIZON' });
    const { ShardIterator } = await streams.send(asked);
    told.push(...(await streams.send(new GetRecordsCommand({ ShardIterator }))).Records);
  }
  const seen = told.map(({ eventName, dynamodb }) => [eventName, dynamodb.OldImage?.n.N, dynamodb.NewImage?.n.N]);
  assert.deepEqual(seen, [['INSERT', undefined, '1'], ['MODIFY', '1', '2'], ['REMOVE', '2', undefined]]);
  assert.ok(told[0].dynamodb.ApproximateCreationDateTime instanceof Date);
  await assert.rejects(streams.send(new DescribeStreamCommand({ StreamArn: `${StreamArn}0` })), NoSuchStream);
});

test('a pipe brings what it is for from one queue to another', async () => {
  const pipes = new PipesClient(server.client);
  const [from, to] = [await queue('js-from'), await queue('js-to')];
  const actions = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:SendMessage'];
  const pipe = {
    Name: 'js',
    RoleArn: await role('js-pipe', 'pipes.amazonaws.com', actions),
    Source: from.arn,
    SourceParameters: { FilterCriteria: { Filters: [{ Pattern: '{"body": {"kind": ["wanted"]}}' }] } },
    Target: to.arn,
    TargetParameters: { InputTemplate: '{"number": <$.body.n>}' },
  };
  await pipes.send(new CreatePipeCommand(pipe));
  await assert.rejects(pipes.send(new CreatePipeCommand(pipe)), PipeExists);
  await until(async () => (await pipes.send(new DescribePipeCommand({ Name: 'js' }))).CurrentState === 'RUNNING', 'the pipe to run');
  for (const [n, kind] of ['unwanted', 'wanted'].entries()) {
    await sqs.send(new SendMessageCommand({ QueueUrl: from.QueueUrl, MessageBody: JSON.stringify({ n, kind }) }));
  }
  const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: to.QueueUrl, WaitTimeSeconds: 20 }));
  assert.deepEqual(Messages.map(({ Body }) => JSON.parse(Body)), [{ number: 1 }]);
  await assert.rejects(pipes.send(new DescribePipeCommand({ Name: 'nowhere' })), NoSuchPipe);
});
