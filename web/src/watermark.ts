// Watermarks as people read them: the time alone while the day is that of the clock in the header, which follows the replay.
import { day, isTime, time } from './format';
import { pipeline } from './live';

export function watermark(ms: number | null): string {
  if (!isTime(ms)) return '–';
  const now = pipeline.value?.replay?.position_ms ?? null;
  return day(ms) === day(now) || now === null ? time(ms, true) : `${day(ms, {})} ${time(ms, true)}`;
}
