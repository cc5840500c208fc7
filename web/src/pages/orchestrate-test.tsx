import '../shared/tokens.css';
import '../shared/base.css';
import '../shared/frames.css';
import '../orchestrate/teams.css';
import { render } from 'preact';
import { TeamsClient } from '../orchestrate/client';
import { TeamsPage } from '../orchestrate/TeamsPage';
import { Account } from '../shared/account';
import { askHealth } from '../shared/health';
import { tabStore } from '../shared/storage';

const store = tabStore();
const account = new Account(store);
const client = new TeamsClient(account, store);
const app = document.getElementById('app')!;
app.textContent = '';
render(<TeamsPage client={client} account={account} />, app);
void askHealth();
void client.begin();
