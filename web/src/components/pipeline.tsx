// The pipeline as a strip: replay, stream, application, index.
import { pipeline } from '../live';
import { ApplicationStage } from './application-stage';
import { IndexStage } from './index-stage';
import { ReplayStage } from './replay-stage';
import { NoStage } from './stage';
import { StreamStage } from './stream-stage';

export function Pipeline() {
  const now = pipeline.value;
  const loading = now === null;
  return (
    <section class="strip" aria-label="Pipeline" data-testid="pipeline">
      {now?.replay ? <ReplayStage replay={now.replay} /> : <NoStage id="replay" title="Replay" loading={loading} words="No replay: records come from elsewhere." />}
      {now?.stream ? <StreamStage key={now.stream.name} stream={now.stream} /> : <NoStage id="stream" title="Stream" loading={loading} words="No stream yet. Make one through the AWS door." />}
      {now?.application ? (
        <ApplicationStage key={now.application.name} application={now.application} />
      ) : (
        <NoStage id="application" title="Application" loading={loading} words="No application yet." />
      )}
      {now ? <IndexStage index={now.index} /> : <NoStage id="index" title="Index" loading={loading} words="" />}
    </section>
  );
}
