/** podwire: everything a program may use. Named exports only. */

export { type Applied, applyManifests, patchManifests } from './calico/apply.ts';
export type { PlanOptions } from './calico/cluster-plan.ts';
export { editManifests } from './calico/edit.ts';
export type { ManifestFile } from './calico/manifest.ts';
export type { Release } from './calico/release.ts';
export type { Counts } from './cluster/account.ts';
export { captureAt, type FrameSink } from './cluster/capture-tap.ts';
export { Cluster } from './cluster/cluster.ts';
export type { ClusterOptions } from './cluster/cluster-options.ts';
export {
  type Exchanged,
  type ExchangedPacket,
  type ExchangeOptions,
  exchange,
} from './cluster/exchange.ts';
export type { Step } from './cluster/explain.ts';
export { type FibMemory, fibMemory } from './cluster/fib-memory.ts';
export { deleteLink, flushRouteCache, type LinkChange, setLink } from './cluster/link-state.ts';
export { listen, type OpenPorts } from './cluster/listen.ts';
export { loadCluster, readManifests } from './cluster/load.ts';
export type { Port } from './cluster/names.ts';
export { NodeFibs } from './cluster/node-fibs.ts';
export type { SeenFrame, SendOptions, SendProtocol, Trace } from './cluster/send.ts';
export { Drop, type DropInfo, dropInfo } from './drop.ts';
export { type ErrorCode, type Place, PodwireError, printable } from './errors.ts';
export { buildFrame } from './frame/build.ts';
export {
  type CaptureFilter,
  type CaptureFilterOptions,
  captureFilter,
} from './frame/capture-filter.ts';
export {
  type ConversationPacket,
  type ConversationSegment,
  type ConversationSide,
  conversationPackets,
  type TcpConversation,
} from './frame/conversation.ts';
export { type Dissection, type DissectOptions, dissect, type TunnelKeys } from './frame/dissect.ts';
export type { ChecksumState, DissectedLayer, Layer } from './frame/layer.ts';
export { FrameSeries, type SeriesTimes } from './frame/series.ts';
export type { SeriesField } from './frame/series-field.ts';
export { type DumpFile, readDumps } from './import/dump-file.ts';
export { type Import, type ImportedPlan, importDumps, isImported } from './import/import-dumps.ts';
export { type MissingFact, missingFor, type Question } from './import/missing-fact.ts';
export { planFiles as planCluster } from './import/plan-files.ts';
export { formatImport } from './import/tables-resource.ts';
export type { Moment } from './packet/moment.ts';
export {
  Capture,
  type CaptureOptions,
  type CaptureRecord,
  openCapture,
  readCapture,
} from './pcap/capture.ts';
export { SECRETS_WIREGUARD } from './pcap/pcapng.ts';
export type { CaptureInterface, CaptureSecrets } from './pcap/record-format.ts';
export { CaptureWriter, type WriterOptions } from './pcap/writer.ts';
export type * from './plan/plan.ts';
export {
  CaptureFolder,
  type CaptureFolderOptions,
  capturePorts,
  linkTypeOf,
} from './replay/capture-folder.ts';
export { Entangled } from './replay/entangled.ts';
export { type MergeTarget, mergeParts } from './replay/merge.ts';
export type { PartOutcome } from './replay/part-file.ts';
export { type KeyLog, keyLogOf, Recording, type RecordSink } from './replay/recording.ts';
export {
  type ReplayGate,
  type ReplayInput,
  type ReplayOptions,
  type ReplayOutput,
  type ReplayReport,
  replay,
} from './replay/replay.ts';
export { replayShard } from './replay/replay-shard.ts';
export {
  readScenarios,
  runScenario,
  type Scenario,
  type ScenarioResult,
} from './replay/scenario.ts';
export type { ShardOf } from './replay/shard.ts';
export {
  diffPlans,
  type NamespaceDiff,
  type PlanDiff,
  type TableDiff,
  walkDiff,
} from './report/diff.ts';
export { formatDiff } from './report/diff-text.ts';
export { formatDissection } from './report/dissection-text.ts';
export { type Finding, lintPlan } from './report/lint.ts';
export { sendRecorded } from './report/trace-captures.ts';
export { formatSteps, formatTrace, type TraceTextOptions } from './report/trace-text.ts';
export { Fib, type FibEntry, type FibOptions } from './tables/fib.ts';
export type { FibColumns } from './tables/prefixes.ts';
export {
  type SampleStream,
  type SampleTable,
  sampleAddresses,
  sampleRoutes,
} from './tables/sample-routes.ts';
export { type CommandOptions, runCommand } from './text/command.ts';
export type { FrameDifference } from './verify/compare.ts';
export type { BroughtFacts, Lab, LabCapture, LabEvent } from './verify/lab.ts';
export { openLab } from './verify/open-lab.ts';
export { type PlacedChange, type Verification, verifyWithChanges } from './verify/placement.ts';
export {
  type AsideFrames,
  agrees,
  type BroughtReport,
  type CountedFrames,
  comparedFrames,
  type FrameCounts,
  formatVerify,
  type VerifiedDifference,
  type VerifiedInterface,
  type VerifyReport,
  verifyReport,
} from './verify/report.ts';
export { type UnheardSender, unheardSenders } from './verify/unheard.ts';
export type { LabEdit, VerifyOptions } from './verify/verify.ts';
export {
  formatIp4,
  formatMac,
  formatPrefix,
  type Ip4,
  type Mac,
  type Prefix,
  parseIp4,
  parseMac,
  parsePrefix,
} from './wire/address.ts';
export { formatKeyLog, parseKeyLog } from './wireguard/key-log.ts';
export type { HandshakeSecrets } from './wireguard/settings.ts';
export { Transcript } from './wireguard/transcript.ts';
