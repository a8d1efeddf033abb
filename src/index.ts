/** The public library of Sluice: run the controller inside another program. */
export { run, type Running, type RunOptions, type Transition } from './run.ts';
export {
  parseSettings,
  settingDefaults,
  type ControllerSettings,
  type PrometheusSettings,
  type RawSettings,
} from './config.ts';
export { createLogger, type Logger, type LogLevel } from './telemetry/logger.ts';
export { SluiceError, errorTable, type ErrorCode } from './errors.ts';
export type {
  CallOptions,
  JsonPatchOperation,
  ListOptions,
  ObjectList,
  ObjectStore,
  WatchEvent,
  WriteOutcome,
} from './api/object-store.ts';
