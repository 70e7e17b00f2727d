// The applications, and the one that is looked at.
import { applicationQuestions } from './api';
import { askChosen } from './chosen';

export const { all: applications, chosen, view, trouble, choose } = askChosen(
  'applications',
  1,
  async (drop) => (await applicationQuestions.list(drop)).applications,
  applicationQuestions.view,
);
